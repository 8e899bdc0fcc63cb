// Training Progress: the curves of a run, bucket by bucket, over episodes.

import { card, empty, h, renew, replace } from "../dom.js";
import { metric, moment, unit, words } from "../format.js";
import { address, find, get, greeting } from "../api.js";
import { download } from "../feedback.js";
import { debounced } from "../later.js";
import { change, numeric, value, values } from "../address.js";
import { Chart } from "../chart.js";
import * as runs from "../runs.js";
import { SIDE_BY_SIDE, controls } from "../training/controls.js";
import { BucketCurves, armOf, choosable, withValidation } from "../training/curves.js";
import { bucketColour, bucketState, featuresCard, modelsCard, noRunWords, noSuchRun, originWords, runCard } from "../training/details.js";
import { pickRuns } from "../training/picker.js";

/** @typedef {Record<string, any>} Body */
/** @typedef {{run: string, runs: string[], bucket: string, metrics: string[], smooth: number, log: boolean, x0: number | null, x1: number | null}} Asked what the address asks for */

const SMOOTH = 0.6;
const REMEMBERED = 200;

/** @param {HTMLElement} root @returns {import("../shell.js").View} */
export function open(root) {
  const page = new TrainingPage(root);
  return {
    load: (fresh) => page.load(fresh),
    event: (event) => page.event(event),
    close: () => page.close(),
    exports: { csv: () => page.export("csv"), json: () => page.export("json"), png: () => root, lacking: () => page.unexported(), caption: () => page.caption() },
  };
}

class TrainingPage {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    /** As the server has the run. @type {Body | null} */
    this.found = null;
    /** @type {BucketCurves[]} */
    this.buckets = [];
    /** Of the other runs, the same bucket. @type {BucketCurves[]} */
    this.overlays = [];
    /** @type {Body[]} */
    this.events = [];
    /** Episodes that may have ended while curves were fetched. @type {Body[]} */
    this.recent = [];
    /** @type {Map<string, Chart>} */
    this.charts = new Map();
    this.features = { unit: "", buckets: /** @type {Body[]} */ ([]) };
    /** Why runs that were to lie over it do not. @type {Record<string, string>} */
    this.lacking = {};
    this.wantedRun = this.fetched = this.laidOut = this.drawn = "";
    this.loads = 0;
    this.parts = { head: h("div", { class: "stack" }), tools: h("div"), states: h("div"), charts: h("div"), below: h("div", { class: "grid wide" }) };
    this.loadSoon = debounced(() => this.load(true));
    this.headSoon = debounced(async () => this.drawHead(), 250);
  }

  close() {
    for (const chart of this.charts.values()) chart.destroy();
    this.charts.clear();
  }

  /** @param {boolean} fresh */
  async load(fresh) {
    const run = value("run") || "latest", mine = ++this.loads;
    if (fresh || this.found === null || run !== this.wantedRun) {
      const found = await find(`/api/runs/${encodeURIComponent(run)}`);
      if (mine !== this.loads) return;  // another has been asked for meanwhile
      Object.assign(this, { found, wantedRun: run });
    }
    if (this.found === null) return this.nothing();
    const asked = this.asked();
    this.drawTools(asked);
    if (fresh || this.wanted(asked) !== this.fetched) {
      const fetched = await this.fetch(asked);
      if (mine !== this.loads) return;
      Object.assign(this, fetched, { drawn: "" });
      this.fetched = this.wanted(asked);
    }
    this.draw(asked);
    for (const event of this.recent) this.append(event);
  }

  /** What has to be fetched, in a word; where curves are coarse, also what smooths and zooms them. @param {Asked} asked */
  wanted(asked) {
    return JSON.stringify([asked.run, asked.runs, asked.bucket, asked.metrics, this.isCoarse() && [asked.smooth, asked.x0, asked.x1]]);
  }

  /** Whether the server has made curves coarser. */
  isCoarse() {
    return [...this.buckets, ...this.overlays].some((one) => !one.whole);
  }

  /** What the address asks for, with what it leaves out. @returns {Asked} */
  asked() {
    const { run, metric_names: known } = /** @type {Body} */ (this.found), rows = run.buckets;
    const running = rows.findLast((/** @type {Body} */ row) => row.episode > 0) ?? rows[0];
    const names = choosable(known), shown = values("metrics").filter((name) => names.includes(name));
    const usual = greeting().metrics.filter((/** @type {string} */ name) => names.includes(name));
    const bucket = value("bucket"), there = bucket === SIDE_BY_SIDE || rows.some((/** @type {Body} */ row) => row.bucket === bucket);
    const x0 = numeric("x0", NaN), x1 = numeric("x1", NaN), zoomed = x1 > x0;
    return {
      run: run.run, runs: values("runs").filter((one) => one !== run.run), bucket: there ? bucket : running?.bucket ?? "",
      metrics: shown.length ? shown : usual.length ? usual : greeting().metrics,
      smooth: Math.min(0.99, Math.max(0, numeric("smooth", SMOOTH))), log: value("log") === "1", x0: zoomed ? x0 : null, x1: zoomed ? x1 : null,
    };
  }

  /** @param {Asked} asked */
  async fetch(asked) {
    const { run } = /** @type {Body} */ (this.found);
    const rows = run.buckets.filter((/** @type {Body} */ row) => asked.bucket === SIDE_BY_SIDE || row.bucket === asked.bucket);
    const others = await Promise.all(asked.runs.map((one) => find(`/api/runs/${encodeURIComponent(one)}`)));
    const lacking = Object.fromEntries(asked.runs.map((one, index) => [one, others[index] === null ? "there is no such run" :
      others[index].run.buckets.some((/** @type {Body} */ row) => rows.some((/** @type {Body} */ mine) => mine.bucket === row.bucket)) ? "" : "has no such bucket"]));
    const buckets = rows.map((/** @type {Body} */ row) => new BucketCurves(run, row));
    const overlays = others.filter((one) => one !== null).flatMap((other) => other.run.buckets
      .filter((/** @type {Body} */ row) => rows.some((/** @type {Body} */ mine) => mine.bucket === row.bucket))
      .map((/** @type {Body} */ row) => new BucketCurves(other.run, row)));
    const zoomed = this.isCoarse() && asked.x0 !== null && asked.x1 !== null;
    const part = { smooth: asked.smooth, ...(zoomed && { first: Math.floor(asked.x0 ?? 0), last: Math.ceil(asked.x1 ?? 0) }) };
    const [events, features] = await Promise.all([
      get("/api/events", { kind: "daemon.worker", limit: 200 }), get(`/api/runs/${run.run}/features`),
      ...[...buckets, ...overlays].map((one) => one.fetch(asked.metrics, part)),
    ]);
    const mine = features.buckets.filter((/** @type {Body} */ one) => asked.bucket === SIDE_BY_SIDE || one.bucket === asked.bucket);
    return { buckets, overlays, lacking, events: events.events, features: { unit: features.unit, buckets: mine } };
  }

  nothing() {
    this.close();
    this.laidOut = "";
    replace(this.root, h("h1", { class: "visually-hidden" }, "Training Progress"), value("run")
      ? noSuchRun(value("run"), "/training")
      : empty(noRunWords(), "The curves of a run stand here as soon as its first episode has ended.",
        runs.doing("Start progressive training", runs.askToStart, { class: "primary" })));
  }

  /** @param {Asked} asked */
  draw(asked) {
    const { parts } = this, found = /** @type {Body} */ (this.found);
    this.layOut(asked);
    const look = JSON.stringify([asked.smooth, asked.log, this.fetched]);
    if (look !== this.drawn) this.drawCharts(asked);
    else for (const chart of this.charts.values()) chart.zoom(asked.x0, asked.x1);
    this.drawn = look;
    this.drawHead();
    const below = JSON.stringify([found.checkpoints, this.features]);
    if (parts.below.dataset.shown !== below) {
      parts.below.dataset.shown = below;
      replace(parts.below, featuresCard(this.features), modelsCard(found.checkpoints, found.run.buckets));
    }
  }

  drawHead() {
    const { run } = /** @type {Body} */ (this.found);
    const wanted = value("bucket"), { bucket } = this.asked();
    renew(this.parts.head, wanted !== "" && wanted !== bucket && h("p", { class: "note", "data-level": "warning" }, `Run ${run.run} has no bucket ${wanted.slice(0, 40)}; ${bucket} is shown.`), runCard(run, null, h("button", { type: "button", id: "pick", "data-run": run.run, onclick: () => pickRuns(run.run, values("runs")) }, "Another run …")));
    renew(this.parts.states, ...this.buckets.map((one) => h("div", { class: "states" }, this.buckets.length > 1 && h("b", {}, one.row.bucket), bucketState(one.row))));
  }

  /** The controls; they know at once what was asked, and keep the focus. @param {Asked} asked */
  drawTools(asked) {
    const { tools, head } = this.parts, { run, metric_names: known } = /** @type {Body} */ (this.found);
    if (!this.root.contains(head)) {
      replace(this.root, h("div", { class: "stack" }, h("h1", { class: "visually-hidden" }, "Training Progress"), ...Object.values(this.parts)));
      this.drawHead();
    }
    const metrics = inOrder(choosable(known.length ? known : asked.metrics)), names = run.buckets.map((/** @type {Body} */ row) => row.bucket);
    const shown = JSON.stringify([{ ...asked, x0: asked.x0 === null, x1: null }, names, metrics, this.lacking]);
    if (tools.dataset.shown === shown) return;
    const focused = [...tools.querySelectorAll("button, input")].findIndex((one) => one === document.activeElement);
    tools.dataset.shown = shown;
    replace(tools, controls(asked, names, metrics, this.lacking, {
      smooth: (weight) => this.drawCharts({ ...this.asked(), smooth: weight }), runs: () => pickRuns(run.run, this.asked().runs),
    }));
    if (focused >= 0) /** @type {HTMLElement | undefined} */ ([...tools.querySelectorAll("button, input")][focused])?.focus();
  }

  /** A chart for each bucket and metric; those that stay are kept. @param {Asked} asked */
  layOut(asked) {
    this.drawTools(asked);
    const wanted = JSON.stringify([asked.run, asked.bucket, asked.metrics]);
    if (wanted === this.laidOut) return;
    this.laidOut = wanted;
    this.close();
    const many = this.buckets.length > 1;
    replace(this.parts.charts, many ? h("div", { class: "stack" }, asked.metrics.map((name) => h("div", { class: "sidebyside" }, this.buckets.map((bucket) => this.chart(bucket, name, many)))))
      : h("div", { class: "grid wide" }, asked.metrics.map((name) => this.buckets.map((bucket) => this.chart(bucket, name, many)))));
  }

  /** @param {BucketCurves} bucket @param {string} name @param {boolean} small */
  chart(bucket, name, small) {
    const measured = unit(name), position = bucket.row.position;
    const mine = () => this.buckets.find((one) => one.row.position === position);
    const chart = new Chart({
      title: `${small ? `${bucket.row.bucket} · ` : ""}${words(name)}${measured && `, ${measured}`}`, unit: "episode", height: small ? 170 : 240,
      form: (one) => metric(name, one), onZoom: (x0, x1) => change({ x0: x0?.toFixed(1), x1: x1?.toFixed(1) }, { remember: true }),
      toTime: (episode) => mine()?.timeOf(episode) ?? null, fromTime: (time) => mine()?.episodeOf(time) ?? null,
    });
    this.charts.set(`${position} ${name}`, chart);
    return h("section", { class: "card" }, chart.root);
  }

  /** @param {Asked} asked */
  drawCharts(asked) {
    for (const bucket of this.buckets) {
      const others = this.overlays.filter((one) => one.row.bucket === bucket.row.bucket);
      for (const name of asked.metrics) {
        const chart = this.charts.get(`${bucket.row.position} ${name}`);
        const lines = [...bucket.lines(name, bucketColour(bucket.row.bucket), bucket.run.run), ...others.flatMap((one, index) =>
          one.line("main", name, one.run.run, { colour: `var(--c${[1, 2, 3, 5, 6, 0][index % 6]})` }) ?? [])];
        const levels = (bucket.baselines[name] ?? []).map((one) => ({ value: one.value, label: one.name }));
        if (chart) chart.zoomed = asked.x0 === null || asked.x1 === null ? null : [asked.x0, asked.x1];
        chart?.set({ lines, levels, markers: bucket.markers(this.events), span: bucket.span, smooth: asked.smooth, log: asked.log });
      }
    }
  }

  /** @param {Body} event */
  event(event) {
    const { kind, body } = event;
    if (kind === "training.progress" || kind === "training.twin") {
      this.recent = [...this.recent.slice(1 - REMEMBERED), event];
      this.append(event);
    } else if (/^(training\.(run|memory)|transfer\.verdict|folder\.changed|daemon\.worker)$/.test(kind)) {
      if (kind !== "training.run" || [this.found?.run.run, value("run")].includes(body.run) || !value("run")) this.loadSoon();
    }
  }

  /** An episode has ended. @param {Body} event */
  append({ kind, time, body }) {
    const arm = armOf(kind, body);
    const bucket = [...this.buckets, ...this.overlays].find((one) => one.run.run === body.run && one.row.position === body.position);
    if (!bucket) return;
    if (kind === "training.progress") {
      if (body.episode > bucket.row.episode) Object.assign(bucket.row, { episode: body.episode, eta_s: body.eta_s });
      if (body.episode > (bucket.times.at(-1)?.[0] ?? 0)) bucket.times.push([body.episode, time]);
      this.headSoon();
    }
    if (!arm) return;
    for (const [name, one] of Object.entries(body.metrics)) {
      const key = `${body.run}.${body.position}.${arm}.${name}`;
      if (!bucket.whole || !bucket.curves.has(`${arm}.${name}`)) {
        if (one !== null && this.shows(name)) this.loadSoon();
      } else if (one !== null) for (const chart of this.charts.values()) chart.append(key, body.episode, one);
    }
  }

  /** @param {string} name */
  shows(name) {
    return withValidation(this.asked().metrics).includes(name);
  }

  /** What has an episode. */
  get begun() {
    return [...this.buckets, ...this.overlays].filter((one) => one.row.episode > 0);
  }

  /** Why there is nothing to export, or "". */
  unexported() {
    if (this.found === null) return "there is no run";
    return this.begun.length ? "" : "no episode has ended yet";
  }

  /** @param {"csv" | "json"} form */
  export(form) {
    const asked = this.asked();
    for (const { run, row } of this.begun) {
      download(address(`/api/runs/${run.run}/curves.${form}`, {
        position: row.position, names: withValidation(asked.metrics).join(","), first: asked.x0 && Math.floor(asked.x0), last: asked.x1 && Math.ceil(asked.x1),
      }));
    }
  }

  caption() {
    const asked = this.asked(), only = this.buckets.length === 1 ? this.buckets[0].row.position : undefined;
    return `run ${asked.run}, ${asked.bucket === SIDE_BY_SIDE ? "all buckets" : asked.bucket}, ${originWords(this.found, only)}, smoothing ${asked.smooth}`;
  }
}

/** Those that the configuration names first. @param {string[]} names */
function inOrder(names) {
  const first = greeting().metrics.filter((/** @type {string} */ name) => names.includes(name));
  return [...first, ...names.filter((name) => !first.includes(name))];
}
