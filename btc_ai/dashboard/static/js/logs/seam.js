// Where pages of the log that are fetched and records that come live meet: each record is shown once.

/** @typedef {import("./list.js").LogRecord} LogRecord */

/** Records, to be taken out of others: each stands for one, so that two that are alike stay two. */
export class Taken {
  /** @param {LogRecord[]} records */
  constructor(records) {
    /** @type {Map<string, number>} */
    this.counts = new Map();
    for (const one of records) this.counts.set(keyOf(one), this.left(one) + 1);
  }

  /** @param {LogRecord} one */
  left(one) {
    return this.counts.get(keyOf(one)) ?? 0;
  }

  /** The others of these. @param {LogRecord[]} records */
  outOf(records) {
    return records.filter((one) => {
      const left = this.left(one);
      if (left) this.counts.set(keyOf(one), left - 1);
      return left === 0;
    });
  }
}

/** What is told live was fetched already, or comes while a page is being fetched; in both cases it is known to belong after the page. */
export class Seam {
  constructor() {
    /** What came while a page was fetched. @type {LogRecord[] | null} */
    this.held = null;
    /** What was fetched and may be told once more. */
    this.fetched = new Taken([]);
  }

  /** A page is being fetched: what comes waits for it. */
  open() {
    this.held = [];
  }

  /** The page has come, or null: none has. Answers what has come and is not on it. @param {LogRecord[] | null} page */
  close(page) {
    const late = this.held ?? [];
    this.held = null;
    if (page) this.fetched = new Taken(page);
    return this.fetched.outOf(late);
  }

  /** Which of those that come live are to be shown now. @param {LogRecord[]} records */
  pass(records) {
    if (!this.held) return this.fetched.outOf(records);
    this.held.push(...records);
    return [];
  }
}

/** A traceback may grow between the two, so it does not tell records apart. @param {LogRecord} one */
function keyOf({ time, level, name, text, run, bucket, worker }) {
  return JSON.stringify([time, level, name, text, run, bucket, worker]);
}
