// The logs: a live tail that can be paused, searched and paged back.

import { h, replace } from "../dom.js";
import { iso, moment } from "../format.js";
import { ApiError, get, greeting, whyMute } from "../api.js";
import { change, numeric, value } from "../address.js";
import * as cursor from "../cursor.js";
import { saveCsv, saveJson, tellError } from "../feedback.js";
import { LogList } from "../logs/list.js";
import { Filters } from "../logs/filters.js";
import { Seam, Taken } from "../logs/seam.js";

/** @typedef {Record<string, any>} Body */
/** @typedef {import("../logs/list.js").LogRecord} LogRecord */

const PAGE = 300;
const MOST = 50_000;
const KEPT = 20_000;
const AFTER_S = 5;
const NAMES = /** @type {const} */ (["time", "level", "name", "text", "run", "bucket", "worker", "more"]);

/** @param {HTMLElement} root @param {import("../live.js").Live} live @returns {import("../shell.js").View} */
export function open(root, live) {
  return new Logs(root, live);
}

class Logs {
  /** @param {HTMLElement} root @param {import("../live.js").Live} live */
  constructor(root, live) {
    this.live = live;
    this.list = new LogList({ onPick: (record) => this.pick(record), onTop: () => void this.older().catch(tellError), onFollow: () => this.tell() });
    this.whose = h("p", { class: "muted small", id: "whose" });
    this.note = h("div", { class: "stack" });
    this.newer = h("button", { type: "button", class: "newer", hidden: true, onclick: () => this.newest() });
    this.pause = h("button", { type: "button", id: "pause", onclick: () => (this.list.following ? this.list.follow(false) : this.newest()) });
    this.filters = new Filters(this.pause);
    /** Where the page before begins. @type {string | null} */
    this.before = null;
    this.shown = "";
    this.time = "";
    this.paging = false;
    this.seam = new Seam();
    const frame = h("div", { class: "frame" }, this.list.root, this.newer);
    /** @type {import("../exporting.js").Exports} */
    this.exports = {
      csv: () => this.saveCsv(), json: () => saveJson("btc-ai-logs.json", this.list.records), png: () => frame,
      lacking: () => (this.list.records.length ? "" : "no record is shown"), caption: () => location.search.slice(1),
    };
    this.onLog = (/** @type {Event} */ event) => this.take(/** @type {CustomEvent} */ (event).detail);
    this.onProblem = (/** @type {Event} */ event) => this.complain([/** @type {CustomEvent} */ (event).detail]);
    this.onKey = (/** @type {KeyboardEvent} */ event) => this.key(event);
    live.addEventListener("log", this.onLog);
    live.addEventListener("logproblem", this.onProblem);
    document.addEventListener("keydown", this.onKey);
    replace(root, h("div", { class: "logs" }, h("h1", { class: "visually-hidden" }, "Logs"),
      this.filters.root, h("div", {}, this.whose, this.note), frame));
    this.tell();
  }

  close() {
    this.live.follow(null);
    this.live.removeEventListener("log", this.onLog);
    this.live.removeEventListener("logproblem", this.onProblem);
    document.removeEventListener("keydown", this.onKey);
    this.filters.close();
    this.list.close();
  }

  /** @param {boolean} fresh */
  async load(fresh) {
    this.tellWhose();
    const filter = this.filters.read(), key = JSON.stringify(filter), time = askedTime();
    if (!fresh && key === this.shown && time === this.time) return;
    const again = fresh && key === this.shown && time === this.time && this.list.records.length > 0;
    this.seam.open();
    this.live.follow(filter);
    try {
      const page = await this.fetch(filter, again ? "" : time);
      this.filters.offer(page.sources);
      this.filters.refuse("");
      this.complain(page.problems);
      const late = this.seam.close(page.records);
      if (again) this.join(page, late);
      else this.show(page, time, late);
      [this.shown, this.time] = [key, time];
      this.tell();
    } catch (error) {
      if (!(error instanceof ApiError && error.fields.grep)) throw error;
      this.filters.refuse(error.fields.grep);
    } finally {
      this.seam.close(null);
    }
  }

  /** The newest page, or the one in which a time is, with what came a little later. @param {Body} filter @param {string} time */
  async fetch(filter, time) {
    if (!time) return get("/api/logs", { ...filter, limit: PAGE });
    const page = await get("/api/logs", { ...filter, limit: PAGE, until: Number(time) + AFTER_S });
    const reached = page.records.length === 0 || page.records[0].time <= Number(time);
    return reached ? page : get("/api/logs", { ...filter, limit: PAGE, until: Number(time) + 0.001 });
  }

  /** @param {Body} page @param {string} time @param {LogRecord[]} late what came live meanwhile */
  show(page, time, late) {
    this.before = page.before;
    this.list.set(time ? page.records : [...page.records, ...late], this.filters.marked());
    if (time) this.list.show(Number(time));
    else this.list.follow(true);
  }

  /** What was missed, after what is known; all anew where there is too much between. @param {Body} page @param {LogRecord[]} late what came live meanwhile */
  join(page, late) {
    const known = this.list.records.slice(-2 * PAGE), since = known[0]?.time ?? 0;
    const news = new Taken(known).outOf(page.records).filter((one) => one.time >= since);
    if (news.length < page.records.length || page.records.length === 0 || page.before === null) this.list.append([...news, ...late]);
    else this.show(page, "", late);
  }

  /** The page before. */
  async older() {
    const first = this.list.records[0];
    if (this.paging || this.seam.held || !first || (this.before === null && this.list.first <= 0)) return;
    this.paging = true;
    try {
      const where = this.before === null ? { until: first.time } : { before: this.before };
      const page = await get("/api/logs", { ...this.filters.read(), limit: PAGE, ...where, ...(this.time && { until: Number(this.time) + AFTER_S }) });
      this.before = page.before;
      if (this.list.records[0] === first) this.list.prepend(page.records);
    } finally {
      this.paging = false;
    }
  }

  /** Records that have come. @param {LogRecord[]} records */
  take(records) {
    const news = this.seam.pass(records);
    if (news.length === 0 || (this.time && this.time === askedTime() && this.list.chosen === null)) return;
    this.list.append(news);
    if (this.list.following && this.list.records.length > MOST) {
      this.list.keep(KEPT);
      this.before = null;
    }
  }

  /** The chosen record's moment is the cursor of every chart, and of the address. @param {LogRecord} record */
  pick(record) {
    cursor.move(record.time, this);
    this.time = String(record.time);
    change({ t: this.time });
  }

  newest() {
    if (value("t")) change({ t: null });
    this.list.follow(true);
  }

  tell() {
    const { following, unseen, records } = this.list;
    this.pause.textContent = following ? "Pause" : "Follow";
    this.pause.title = following ? "Stand still; new lines are counted" : "Go to the newest line, and stay there";
    this.newer.hidden = following || records.length === 0;
    this.newer.textContent = unseen ? `↓ ${unseen} new ${unseen === 1 ? "line" : "lines"}` : "↓ Newest";
    this.list.root.dataset.empty = records.length ? "" : this.filters.active() ? "No record is like that. Widen the filters to see more." : "Nothing has been logged yet. Lines appear here as they are written.";
  }

  /** Whose lines these are, where no daemon of this models folder writes them. */
  tellWhose() {
    const { log_dir: folder, link } = greeting();
    this.whose.textContent = !whyMute() ? "" : `Shown is the log in ${folder}, the LOG_DIR of the configuration; ${link.other
      ? `the daemon that runs has another models folder, ${link.other}` : "no daemon of this models folder runs now"}.`;
  }

  /** @param {string[]} problems */
  complain(problems) {
    replace(this.note, problems.map((text) => h("p", { class: "note small", "data-level": "warning" }, text)));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const target = /** @type {Element} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input, select, textarea, dialog")) return;
    if (event.key === "/") this.filters.focus();
    else if (event.key === "f") this.pause.click();
    else return;
    event.preventDefault();
  }

  saveCsv() {
    const rows = this.list.records.map((record) => NAMES.map((name) => (name === "time" ? iso(record.time) : record[name])));
    saveCsv("btc-ai-logs.csv", [...NAMES], rows);
  }
}

/** The time that the address asks for; "" where there is none in it. */
function askedTime() {
  const time = numeric("t", -1);
  return time >= 0 ? String(time) : "";
}
