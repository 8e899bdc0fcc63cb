// One transfer: what was planned and carried, both arms beside one another, and the verdict.

import { card, empty, h, pill, replace, stat } from "../dom.js";
import { metric, moment, number, percent, signed, words } from "../format.js";
import { address, find } from "../api.js";
import { change, numeric, value } from "../address.js";
import { Chart } from "../chart.js";
import { download, saveJson } from "../feedback.js";
import { armOf, episodesOf } from "../training/curves.js";
import { configurationOf, originWords } from "../training/details.js";
import { between, impactWords, intervalWords, outcomeOf } from "./words.js";

/** @typedef {Record<string, any>} Body */

const METRICS = ["validation_reward", "reward", "loss", "win_rate", "profit_factor"];
const ARMS = { main: { label: "transferred", colour: "var(--c0)" }, scratch: { label: "from scratch", colour: "var(--c1)", dash: [6, 4] } };

/** A transfer by its id. */
export class Detail {
  /** @param {string} id */
  constructor(id) {
    this.id = id;
    /** @type {Body | null} */
    this.row = null;
    /** Its run, with the hash of the configuration and the range of the data. @type {Body | null} */
    this.origin = null;
    /** @type {Body[]} */
    this.curves = [];
    /** @type {Chart | null} */
    this.paired = null;
    /** @type {Chart | null} */
    this.difference = null;
    this.metric = "";
    this.arms = h("div");
    this.root = h("div", { class: "stack" });
  }

  close() {
    this.paired?.destroy();
    this.difference?.destroy();
    this.paired = this.difference = null;
  }

  /** Whether the bucket's training is done. */
  get trained() {
    return this.origin?.run.buckets.some((/** @type {Body} */ one) => one.position === this.row?.position && one.state === "done");
  }

  /** Fetch it and show it. */
  async load() {
    this.row = await find(`/api/transfers/${encodeURIComponent(this.id)}`);
    if (!this.row) return replace(this.root, empty("There is no such transfer", this.id, h("a", { class: "button", href: "/transfer" }, "All transfers")));
    const { row } = this, verdict = row.detail.verdict;
    this.origin = await find(`/api/runs/${encodeURIComponent(row.run)}`);
    this.difference?.destroy();
    replace(this.root, this.heading(row), h("div", { class: "grid", "data-least": "wide" }, planCard(row), verdictCard(row, this.trained)),
      card("Both arms", this.controls(), this.arms), verdict?.comparisons?.length > 0 && this.differenceCard(verdict));
    await this.pair(row);
  }

  /** Show what the address says of the curves, which are fetched only for another metric. */
  async update() {
    if (!this.row) return;
    if (this.metric !== (value("metric") || METRICS[0])) await this.pair(this.row);
    else this.draw();
  }

  /** Fetch the curves of both arms, and draw them. @param {Body} row */
  async pair(row) {
    this.metric = value("metric") || METRICS[0];
    const found = await find(`/api/runs/${encodeURIComponent(row.run)}/curves`, { position: row.position, names: this.metric }) ?? { curves: [] };
    this.curves = found.curves.map((/** @type {Body} */ one) => ({ ...one, episode: episodesOf(one) }));
    this.paired?.destroy();
    const times = found.times ?? [], form = (/** @type {number | null | undefined} */ one) => metric(this.metric, one);
    this.paired = new Chart({ title: words(this.metric), unit: "episode", form, height: 260, toTime: mapping(times, 0), fromTime: mapping(times, 1) });
    const lonely = "There is one arm alone: KNOWLEDGE_TRANSFER.TRANSFER_VERIFY was not twin, or the run from scratch has not begun.";
    const none = row.kinds.length ? "No episode of either arm is known." : "Nothing was carried, so there is nothing to compare.";
    replace(this.arms, this.curves.length ? this.paired.root : h("p", { class: "muted" }, none), this.curves.length === 1 && h("p", { class: "muted small" }, lonely));
    this.draw();
  }

  draw() {
    this.paired?.set({ smooth: numeric("smooth", 0), lines: this.curves.map((curve) =>
      ({ key: curve.arm, ...ARMS[/** @type {"main"} */ (curve.arm)], x: curve.episode, y: curve.mean })) });
  }

  /** @param {Body} row */
  heading(row) {
    const { word, level, glyph } = outcomeOf(row);
    return h("div", { class: "row spread" },
      h("div", { class: "row" }, h("h2", {}, between(row)), pill(`${glyph} ${word}`, level),
        h("span", { class: "muted small" }, `${moment(row.time)}, run `, h("a", { href: `/training?run=${row.run}&bucket=${encodeURIComponent(row.target)}` }, row.run))),
      h("a", { class: "button", href: "/transfer" }, "All transfers"));
  }

  controls() {
    const chosen = h("select", { onchange: () => change({ metric: chosen.value === METRICS[0] ? null : chosen.value }) },
      METRICS.map((one) => h("option", { value: one, selected: one === (value("metric") || METRICS[0]) }, words(one))));
    const weight = h("input", { type: "range", min: 0, max: 0.95, step: 0.05, value: numeric("smooth", 0), oninput: () => change({ smooth: Number(weight.value) || null }) });
    return h("div", { class: "toolbar" }, h("label", { class: "field" }, "Metric", chosen), h("label", { class: "field" }, "Smoothing", weight));
  }

  /** @param {Body} verdict */
  differenceCard(verdict) {
    const rows = verdict.comparisons, x = rows.map((/** @type {Body} */ one) => one.episode);
    const chart = this.difference = new Chart({ title: "Difference at the milestones", unit: "episode", form: (one) => signed(one), height: 220 });
    const column = (/** @type {string} */ key) => rows.map((/** @type {Body} */ one) => one[key]);
    chart.set({ levels: [{ value: 0, label: "no difference" }], lines: [
      { key: "difference", label: "difference", colour: "var(--c0)", x, y: column("difference") },
      { key: "low", label: "95 % low", colour: "var(--c7)", dash: [3, 3], x, y: column("low") },
      { key: "high", label: "high", colour: "var(--c7)", dash: [3, 3], x, y: column("high") }] });
    return card("Transferred − scratch", h("span", { class: "muted small" }, "net bps a bar on validation, with its 95 % interval"), chart.root);
  }

  /** A new episode of either arm. @param {Body} event */
  event({ kind, body }) {
    const arm = armOf(kind, body);
    if (!arm || body.run !== this.row?.run || body.position !== this.row?.position) return;
    this.paired?.append(arm, body.episode, body.metrics[this.metric] ?? null);
  }

  /** @param {import("../exporting.js").Form} form */
  lacking(form) {
    if (!this.row) return "there is no such transfer";
    return form === "csv" && this.curves.length === 0 ? "no episode of either arm is known" : "";
  }

  /** Both arms, an episode a line; the server puts hash and range above. */
  exportCsv() {
    const { row } = this;
    if (row) download(address(`/api/runs/${encodeURIComponent(row.run)}/curves.csv`, { position: row.position, names: this.metric }));
  }

  exportJson() {
    const position = this.row?.position ?? 0;
    saveJson(`btc-ai-transfer-${this.id}.json`, { ...this.row, config_sha256: configurationOf(this.origin, position), data: this.origin?.data ?? null });
  }

  caption() {
    const { row } = this;
    return row ? `${row.transfer}, ${between(row)}, ${outcomeOf(row).word} ${impactWords(row)} ${intervalWords(row)}, ${originWords(this.origin, row.position)}` : "";
  }
}

/** @param {Body} row */
function planCard(row) {
  const plan = row.detail.transfer ?? {}, report = plan.report;
  const chips = (/** @type {string[]} */ names) => names?.length ? h("div", { class: "chips" }, names.map((name) => h("span", {}, name))) : "none";
  return card("Plan", null, plan.kinds?.length ? h("dl", { class: "facts" },
    fact("Asked for", plan.kinds.join(", ")), report && fact("Carried", report.kinds.join(", ") || "nothing"), report?.reason && fact("Because", report.reason),
    fact("Features matched", chips(plan.matched)), fact("New to the target", chips(plan.new)), fact("Left behind", chips(plan.left)),
    fact("Horizons", horizons(row, plan.horizons)), plan.expected_mb !== undefined && fact("Memory", `at most ${number(plan.expected_mb, 3)} MB`),
    fact("Model", h("span", { class: "mono small" }, plan.model)), plan.notes?.length > 0 && fact("Notes", plan.notes.join("; "))) : h("p", {}, plan.reason ?? row.reason ?? "Nothing was to be carried over."));
}

/** @param {string} name @param {import("../dom.js").Child} text */
function fact(name, text) {
  return [h("dt", {}, name), h("dd", {}, text)];
}

/** Which horizons both predict. @param {Body} row @param {Body | undefined} found */
function horizons(row, found) {
  if (!found?.source?.length || !found.target) return "not known";
  const { source, target, overlap } = found, most = Math.max(source[1], target[1]);
  const bar = (/** @type {string} */ name, /** @type {number[]} */ [low, high], kind = "") => {
    const span = h("i", { class: kind });
    span.style.left = `${(low / most) * 100}%`;
    span.style.width = `${((high - low) / most) * 100}%`;
    return [h("span", {}, `${name} ${low}–${high} bars`), h("div", { class: "track" }, span)];
  };
  return h("div", { class: "horizons" }, bar(row.source, source), bar(row.target, target), overlap ? bar("both", overlap, "overlap") : "none in common");
}

/** @param {Body} row @param {boolean} trained */
function verdictCard(row, trained) {
  const verdict = row.detail.verdict;
  if (!verdict?.decision) {
    const why = trained ? "Not measured: no run from scratch was trained beside it (KNOWLEDGE_TRANSFER.TRANSFER_VERIFY)."
      : "Not measured yet: a run from scratch beside it does that, at 5, 10, 25, 50 and 100 % of the episodes (KNOWLEDGE_TRANSFER.TRANSFER_VERIFY).";
    return card("Verdict", null, h("p", {}, verdict?.error ?? row.reason ?? why));
  }
  const { jumpstart, asymptote, time_to_threshold: times, transfer_ratio: ratio } = verdict;
  const difference = (/** @type {Body | null} */ one) => one ? signed(one.difference) : "–";
  const episodes = times ? `${times.transferred ?? "never"} / ${times.scratch ?? "never"}` : "–";
  return card("Verdict", pill(outcomeOf(row).word, outcomeOf(row).level), h("p", {}, `${impactWords(row)} (${intervalWords(row)}) at ${percent(row.share)} of the budget${row.reason ? `: ${row.reason}` : ""}.`),
    h("div", { class: "stats", "data-least": "wide" }, stat("Jumpstart, bps a bar", difference(jumpstart)), stat("At the end, bps a bar", difference(asymptote)),
      stat("Episodes to what scratch reached", episodes), stat("Area added, of scratch's", ratio === null ? "–" : percent(ratio))),
    h("p", { class: "muted small" }, "Jumpstart: the difference before training. Episodes: transferred / from scratch. Both arms saw the same windows in the same order."));
}

/** From one column of some pairs to the other, between them by straight lines. @param {[number, number][]} pairs @param {0 | 1} from */
function mapping(pairs, from) {
  return (/** @type {number} */ at) => {
    const index = pairs.findIndex((pair) => pair[from] >= at);
    if (index < 0) return null;
    const other = pairs[index], one = pairs[Math.max(0, index - 1)], span = other[from] - one[from];
    return one[1 - from] + (span ? (at - one[from]) / span : 0) * (other[1 - from] - one[1 - from]);
  };
}
