// The machine: memory with its thresholds and what was done about it, GPUs, processor, disk, network, processes.

import { arrange, card, empty, h, replace } from "../dom.js";
import { iso, moment, size } from "../format.js";
import { get, greeting, whyMute } from "../api.js";
import { change, numeric, value } from "../address.js";
import { Chart } from "../chart.js";
import { saveCsv, saveJson } from "../feedback.js";
import { debounced } from "../later.js";
import { GROUPS, groupOf, linesOf, marked } from "../system/groups.js";
import { markersOf } from "../system/markers.js";
import { gauges, gpuWords, processTable } from "../system/now.js";
import { newestOf, seriesIn, unitOf } from "../system/samples.js";

/** @typedef {Record<string, any>} Body */
/** @typedef {import("../system/groups.js").Group} Group */

const RANGES = { "1h": 3600, "6h": 21_600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000 };
const POINTS = 500;
const MOST_APPENDED = 400;

/** @param {HTMLElement} root @param {import("../live.js").Live} live @returns {import("../shell.js").View} */
export function open(root, live) {
  return new System(root, live);
}

function nothingMeasured() {
  const longer = "Choose a longer time";
  if (!whyMute()) return empty("Nothing was measured in this time", `The daemon takes a sample every few seconds while it runs. ${longer}.`);
  const { link, models_dir: models } = greeting();
  const [text, todo] = link.other ? [`The daemon that runs has another models folder, ${link.other}, and keeps there what it measures. ${longer}, or look at that folder:`, "btc-ai monitor"]
    : [`A daemon whose MODELS_DIR is ${models} takes a sample every few seconds while it runs; none does. ${longer}, or start it:`, "btc-ai daemon start"];
  return empty("Nothing was measured in this time", text, h("code", {}, todo));
}

class System {
  /** @param {HTMLElement} root @param {import("../live.js").Live} live */
  constructor(root, live) {
    this.live = live;
    /** @type {Map<Group, Chart>} */
    this.charts = new Map();
    /** @type {Body[]} */
    this.series = [];
    /** @type {Body | null} */
    this.sample = null;
    /** @type {import("../system/now.js").Words} */
    this.words = { gpu_state: null, gpu_detail: "", suggested_batch: null };
    /** When the sample was taken, seconds since 1970. */
    this.measured = 0;
    this.appended = 0;
    this.loaded = false;
    this.now = h("div", { class: "stack" });
    this.plots = h("div", { class: "grid", "data-least": "wide" });
    this.processes = h("div");
    this.ranges = h("div", { class: "row", role: "group", "aria-label": "Time range" });
    this.reload = debounced(() => this.load());
    /** @type {import("../exporting.js").Exports} */
    this.exports = {
      csv: () => this.saveCsv(), json: () => saveJson("btc-ai-system.json", this.series), png: () => root,
      lacking: () => (this.series.length ? "" : "nothing was measured in this time"), caption: () => this.caption(),
    };
    this.root = root;
    this.page = h("div", { class: "stack" }, h("h1", { class: "visually-hidden" }, "System Metrics"), this.now,
      h("div", { class: "row spread onscreen" }, this.ranges, h("span", { class: "muted small" }, "drag over a chart to look closer; double-click or Escape for all of it")), this.plots, this.processes);
  }

  close() {
    for (const chart of this.charts.values()) chart.destroy();
  }

  /** From when to when, seconds since 1970. @returns {[number, number]} */
  span() {
    const now = Date.now() / 1000, wanted = RANGES[/** @type {keyof typeof RANGES} */ (value("range"))] ?? RANGES["1h"];
    return [numeric("t0", now - wanted), numeric("t1", now)];
  }

  async load() {
    const [start, end] = this.span();
    const [found, transfers, memory] = await Promise.all([
      get("/api/system", { start, end, names: "host.*,gpu.*,process.*", points: POINTS }),
      get("/api/transfers", { limit: 100 }), get("/api/events", { kind: "training.memory", limit: 200 })]);
    this.series = found.series;
    this.words = { gpu_state: found.gpu_state, gpu_detail: found.gpu_detail, suggested_batch: found.suggested_batch };
    const live = this.live.newest.get("monitoring.sample");
    this.sample = live?.body ?? newestOf(found.series);
    this.measured = live ? live.time : Math.max(...found.series.map((/** @type {Body} */ one) => one.time.at(-1)));
    this.appended = 0;
    this.loaded = true;
    this.tellRanges();
    this.tellNow();
    arrange(this.root, [this.page]);
    this.draw(markersOf(transfers.transfers, memory.events, start, end));
  }

  /** @param {import("../chart.js").Marker[]} markers */
  draw(markers) {
    const wanted = GROUPS.filter((group) => linesOf(group, this.series).length > 0);
    for (const [group, chart] of this.charts) {
      if (wanted.includes(group)) continue;
      chart.destroy();
      this.charts.delete(group);
    }
    for (const group of wanted) {
      const chart = this.charts.get(group) ?? this.made(group);
      chart.set({ lines: linesOf(group, this.series), ...marked(group, markers) });
    }
    if (wanted.length) arrange(this.plots, wanted.map((group) => /** @type {Element} */ (this.charts.get(group)?.root.parentElement)));
    else {
      replace(this.plots, nothingMeasured());
    }
  }

  /** @param {Group} group */
  made(group) {
    const chart = new Chart({ title: group.title, unit: "time", form: group.form, bounds: group.bounds, height: 200,
      onZoom: (t0, t1) => change({ t0: t0 === null ? null : Math.round(t0), t1: t1 === null ? null : Math.round(t1) }, { remember: true }) });
    this.charts.set(group, chart);
    h("section", { class: "card" }, chart.root);
    return chart;
  }

  tellRanges() {
    const zoomed = value("t0") !== "", chosen = value("range") || "1h";
    replace(this.ranges, Object.keys(RANGES).map((name) => h("button", { type: "button", "aria-pressed": String(!zoomed && name === chosen),
      onclick: () => change({ range: name === "1h" ? null : name, t0: null, t1: null }, { remember: true }) }, name)),
      zoomed && h("button", { type: "button", onclick: () => change({ t0: null, t1: null }, { remember: true }) }, "Show all"));
  }

  tellNow() {
    const { sample } = this;
    const now = !whyMute();
    replace(this.now, sample && gauges(sample), (sample || now) && gpuWords(this.words, now ? "" : `No daemon of this models folder runs now: this is as it was at ${moment(this.measured)}. `));
    replace(this.processes, sample?.processes?.length > 0 && card("Processes", h("span", { class: "muted small" }, now ? "of the daemon, now" : `of the daemon, ${moment(this.measured)}`), processTable(sample?.processes ?? [])));
  }

  /** @param {Body} event */
  event({ kind, time, body, known }) {
    if (known && !this.loaded) return;
    if (kind === "monitoring.sample") this.take(time, body);
    else if (/^(transfer\.verdict|training\.memory|folder\.changed)$/.test(kind)) this.reload();
  }

  /** A new sample goes to the end of every chart, unless one looks at a time of one's own. @param {number} time @param {Body} body */
  take(time, body) {
    this.sample = body;
    this.measured = time;
    this.words = { ...this.words, gpu_state: body.gpu_state, gpu_detail: body.gpu_detail };
    this.tellNow();
    if (value("t1") !== "") return;
    const fresh = seriesIn(body);
    if (++this.appended > MOST_APPENDED || [...fresh.keys()].some((name) => groupOf(name) && !this.knows(name))) return this.reload();
    for (const { name } of this.series) {
      const group = groupOf(name);
      if (group) this.charts.get(group)?.append(name, time, fresh.get(name) ?? null);
    }
  }

  /** @param {string} name */
  knows(name) {
    return this.series.some((one) => one.name === name);
  }

  saveCsv() {
    const rows = this.series.flatMap((one) => one.time.map((/** @type {number} */ time, /** @type {number} */ at) => [iso(time), one.name, unitOf(one.name), one.mean[at], one.low[at], one.high[at]]));
    saveCsv("btc-ai-system.csv", ["time", "series", "unit", "mean", "low", "high"], rows);
  }

  caption() {
    const [start, end] = this.span().map(iso);
    return `${start} to ${end}; a machine with ${size(this.sample?.host.memory_total_mb ?? 0)} of memory`;
  }
}
