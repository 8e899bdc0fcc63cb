// The curves of one bucket of a run: fetched, appended to as episodes end, and laid out as lines of charts.

import { get } from "../api.js";
import { outcomeOfStep } from "../transfer/words.js";

/** @typedef {Record<string, any>} Body */
/** @typedef {import("../chart.js").Line} Line */
/** @typedef {import("../chart.js").Marker} Marker */

const POINTS = 20_000;
const VALIDATION = "validation_";
const RESTARTS = { restarting: "worker restarted", stalled: "worker stalled", failed: "worker failed" };

/** One bucket of a run. */
export class BucketCurves {
  /** @param {Body} run a RunRow @param {Body} row a BucketRow */
  constructor(run, row) {
    this.run = run;
    this.row = row;
    /** By `arm.name`. @type {Map<string, {x: number[], y: (number | null)[], smooth?: (number | null)[]}>} */
    this.curves = new Map();
    /** @type {Record<string, {name: string, value: number}[]>} */
    this.baselines = {};
    /** @type {[number, number][]} */
    this.times = [];
    this.whole = true;
  }

  /**
   * @param {string[]} names @param {{smooth: number, first?: number, last?: number}} asked which episodes, and how smooth where
   * there are too many to be smoothed here
   */
  async fetch(names, { smooth, first, last }) {
    const query = { position: this.row.position, names: withValidation(names).join(","), points: POINTS, first, last };
    const path = `/api/runs/${this.run.run}/curves`, found = await get(path, query);
    this.whole = found.curves.every((/** @type {Body} */ one) => one.whole);
    const smoothed = this.whole || smooth === 0 ? { curves: [] } : await get(path, { ...query, smoothing: smooth });
    this.curves = new Map(found.curves.map((/** @type {Body} */ one) => [`${one.arm}.${one.name}`, {
      x: episodesOf(one), y: one.mean,
      smooth: smoothed.curves.find((/** @type {Body} */ other) => other.name === one.name && other.arm === one.arm)?.mean,
    }]));
    this.baselines = found.baselines ?? {};
    this.times = found.times ?? [];
  }

  /** The first and the last episode of any of the curves. @returns {[number, number] | undefined} */
  get span() {
    const drawn = [...this.curves.values()].filter(({ x }) => x.length > 0);
    return drawn.length ? [Math.min(...drawn.map(({ x }) => x[0])), Math.max(...drawn.map(({ x }) => x[x.length - 1]))] : undefined;
  }

  /** Lines of a metric: training, validation beside it, and the twin from scratch. @param {string} name @param {string} colour @param {string} label @returns {Line[]} */
  lines(name, colour, label) {
    const kept = this.row.arm === "scratch";
    const main = kept ? `${label}, transferred (rolled back)` : label, twin = kept ? "from scratch (kept)" : "from scratch";
    return [
      this.line("main", name, main, { colour }),
      this.line("main", VALIDATION + name, "validation", { colour: "var(--c7)", dash: [8, 4], thin: true }),
      this.line("scratch", name, twin, { colour: "var(--c4)", dash: [4, 3] }),
      this.line("scratch", VALIDATION + name, "validation from scratch", { colour: "var(--c4)", dash: [1, 3], thin: true }),
    ].filter((one) => one !== null);
  }

  /** The line of the arm whose weights are the model. @param {string} name @param {Partial<Line>} look @returns {Line | null} */
  own(name, look) {
    const { arm, bucket } = this.row;
    return this.line(arm, name, arm === "scratch" ? `${bucket}, from scratch (kept)` : bucket, look);
  }

  /** @param {string} arm @param {string} name @param {string} label @param {Partial<Line>} look @returns {Line | null} */
  line(arm, name, label, look) {
    const found = this.curves.get(`${arm}.${name}`);
    return found ? { key: `${this.run.run}.${this.row.position}.${arm}.${name}`, label, colour: "", ...look, ...found } : null;
  }

  /** The moment of an episode. @param {number} episode */
  timeOf(episode) {
    return between(this.times, 0, 1, episode);
  }

  /** The episode of a moment. @param {number} time */
  episodeOf(time) {
    return between(this.times, 1, 0, time);
  }

  /** What happened to the bucket: transfer and verdict, rungs of memory, its workers. @param {Body[]} events of the run @returns {Marker[]} */
  markers(events) {
    const { transfer, verdict, memory = [] } = this.row.detail;
    const first = this.times[0]?.[0] ?? 1, outcome = outcomeOfStep(this.row);
    /** @type {(Marker | null)[]} */
    const made = [
      transfer?.kinds?.length ? { x: first, label: `transfer from ${transfer.source}`, level: "c5" } : null,
      outcome && verdict?.impact ? { x: verdict.impact.episode, label: outcome.word, level: outcome.level } : null,
      ...memory.filter((/** @type {Body} */ one) => one.what !== "no_gpu").map((/** @type {Body} */ one) => ({
        x: one.episode, label: one.rung === null ? `memory ${one.what}` : `memory rung ${one.rung}`, level: one.degraded || one.what === "limit" ? "bad" : "warning",
      })),
      ...events.map((one) => this.restart(one)),
    ];
    return made.filter((one) => one !== null && Number.isFinite(one.x)).map((one) => /** @type {Marker} */ (one));
  }

  /** @param {Body} event @returns {Marker | null} */
  restart({ kind, time, body }) {
    const { started, ended } = this.row, label = RESTARTS[/** @type {"failed"} */ (body.state)];
    const x = this.episodeOf(time);
    const mine = kind === "daemon.worker" && String(body.name).includes(this.run.run) && time >= (started ?? Infinity) && time <= (ended ?? Infinity);
    return mine && label && x !== null ? { x, label, level: body.state === "failed" ? "bad" : "warning" } : null;
  }
}

/** Of which arm an event tells an episode; "": of none, or of one that another event tells. @param {string} kind @param {Body} body */
export function armOf(kind, body) {
  return kind === "training.twin" ? "scratch" : kind === "training.progress" && body.arm !== "scratch" ? "main" : "";
}

/** Episodes of a curve; those that are evenly spaced are told by the first. @param {Body} curve @returns {number[]} */
export function episodesOf({ episode, first, step, mean }) {
  return episode ?? Array.from({ length: mean.length }, (_, index) => first + index * step);
}

/** The metrics and what validation has of them. @param {string[]} names */
export function withValidation(names) {
  return names.flatMap((name) => (name.startsWith(VALIDATION) ? [name] : [name, VALIDATION + name]));
}

/** Metrics to choose from; validation stands beside its metric. @param {string[]} names */
export function choosable(names) {
  return names.filter((name) => !name.startsWith(VALIDATION) || !names.includes(name.slice(VALIDATION.length)));
}

/**
 * Read off a line through pairs that ascend in both; null beyond its ends.
 * @param {[number, number][]} pairs @param {0 | 1} from @param {0 | 1} to @param {number} at
 */
function between(pairs, from, to, at) {
  const index = pairs.findIndex((pair) => pair[from] >= at);
  if (index < 0) return null;
  const right = pairs[index], left = pairs[index - 1];
  if (right[from] === at) return right[to];
  if (!left) return null;
  return left[to] + ((at - left[from]) / (right[from] - left[from])) * (right[to] - left[to]);
}
