// All buckets at a glance.

import { card, empty, h, pill, progress, renew, spark } from "../dom.js";
import { column, duration, iso, levelOf, metric, moment, unit, words } from "../format.js";
import { get, greeting } from "../api.js";
import { saveCsv, saveJson } from "../feedback.js";
import { debounced } from "../later.js";
import { alertList } from "../alerts.js";
import * as runs from "../runs.js";
import { bucketColour, noRunWords, outcomePill, runCard } from "../training/details.js";

/** @typedef {Record<string, any>} Body */

const REDRAWN_MS = 250;

/** @param {HTMLElement} root @returns {import("../shell.js").View} */
export function open(root) {
  /** @type {Body} */
  let found = {};
  let timer = 0;
  /** The newest episode of each bucket; one may have ended while the rest was fetched. @type {Map<string, Body>} */
  const newest = new Map();
  const draw = () => {
    timer = 0;
    renew(root, content(found));
  };
  const soon = () => { timer ||= window.setTimeout(draw, REDRAWN_MS); };
  const load = async () => {
    const next = await get("/api/overview");
    await Promise.all(next.buckets.map(findRanges));
    found = next;
    shareRows(found);
    for (const body of newest.values()) take(found, body);
    draw();
  };
  const loadSoon = debounced(load);
  return {
    load,
    close: () => clearTimeout(timer),
    event: ({ kind, body }) => {
      if (kind === "training.progress") {
        newest.set(`${body.run} ${body.bucket}`, body);
        if (take(found, body)) soon();
      } else if (/^(training\.(run|memory|diverged)|transfer\.verdict|monitoring\.alert|daemon\.worker|plugin\.state|folder\.changed)$/.test(kind)) loadSoon();
    },
    exports: {
      csv: () => saveBuckets(found.buckets), json: () => saveJson("btc-ai-overview.json", found), png: () => root,
      lacking: () => (isEmpty(found) ? "nothing has been trained yet" : ""), caption: () => `run ${found.run?.run ?? "not known"}`,
    },
  };
}

/** The least and greatest of each metric: the whole run in one point. @param {Body} one */
async function findRanges(one) {
  if (!one.row?.episode) return;
  const { curves } = await get(`/api/runs/${one.run}/curves`, { position: one.row.position, names: greeting().metrics.join(","), points: 1 });
  const own = curves.filter((/** @type {Body} */ curve) => curve.arm === one.row.arm && curve.mean.length > 0);
  one.ranges = Object.fromEntries(own.map((/** @type {Body} */ { name, low, high, mean }) => [name, { low: (low ?? mean)[0], high: (high ?? mean)[0] }]));
}

/** The run at the top and the cards of its buckets have the same rows, so that what ends is told by both. @param {Body} found */
function shareRows({ run, buckets }) {
  const own = (/** @type {Body} */ row) => buckets.find((/** @type {Body} */ one) => one.row?.run === row.run && one.row.position === row.position)?.row ?? row;
  if (run) run.buckets = run.buckets.map(own);
}

/** Take an episode's end into what is shown; false where that has it. @param {Body} found @param {Body} body */
function take(found, body) {
  const one = found.buckets?.find((/** @type {Body} */ bucket) => bucket.run === body.run && bucket.bucket === body.bucket);
  if (!one?.row || body.episode <= one.row.episode) return false;
  Object.assign(one.row, { episode: body.episode, eta_s: body.eta_s });
  one.row.detail = { ...one.row.detail, metrics: body.metrics };
  for (const [name, range] of Object.entries(one.ranges ?? {})) {
    const value = body.metrics[name];
    if (value !== null && value !== undefined) one.ranges[name] = { low: Math.min(range.low, value), high: Math.max(range.high, value) };
  }
  one.spark = [...one.spark.slice(-59), body.metrics.reward ?? null];
  return true;
}

/** A bucket a row: how far it is, its newest metrics, and the least and greatest of each. @param {Body[]} buckets */
function saveBuckets(buckets) {
  const metrics = greeting().metrics, forms = ["", "_least", "_greatest"];
  const names = ["bucket", "run", "state", "learner", "episode", "episodes", "eta_s", "started", "ended",
    ...metrics.flatMap((/** @type {string} */ name) => forms.map((form) => column(name) + form)), "verdict"];
  saveCsv("btc-ai-overview.csv", names, buckets.map(({ bucket, run, row, ranges, verdict }) => [
    bucket, run, row?.state ?? "not trained", row?.learner, row?.episode, row?.episodes, row?.eta_s, iso(row?.started), iso(row?.ended),
    ...metrics.flatMap((/** @type {string} */ name) => [row?.detail.metrics?.[name], ranges?.[name]?.low, ranges?.[name]?.high]), verdict]));
}

/** Whether no bucket has been trained. @param {Body} found */
function isEmpty(found) {
  return (found.buckets ?? []).every((/** @type {Body} */ one) => one.row === null);
}

/** @param {Body} found */
function content(found) {
  const problems = [found.note && h("p", { class: "note" }, `${words(found.note)}.`), ...found.problems.map((/** @type {string} */ text) => h("p", { class: "note", "data-level": "warning" }, text))];
  if (isEmpty(found)) {
    return [h("h1", { class: "visually-hidden" }, "Overview"), problems,
      empty(noRunWords(), "Train the four buckets, from the shortest horizon to the longest.",
        runs.doing("Start progressive training", runs.askToStart, { class: "primary" }), h("p", { class: "small" }, "or ", h("code", {}, "btc-ai train --market sample")))];
  }
  return h("div", { class: "stack" }, h("h1", { class: "visually-hidden" }, "Overview"), problems,
    found.run && runCard(found.run, found.queued > 0 && `${found.queued} more queued`), h("div", { class: "grid", "data-four": found.buckets.length % 4 === 0 }, found.buckets.map((/** @type {Body} */ one, /** @type {number} */ index) => bucketCard(one, index, found.run))), alerts(found.alerts));
}

/** @param {Body} one @param {number} index @param {Body | null} shown the run at the top; the card of another one says so */
function bucketCard(one, index, shown) {
  const { row } = one, horizons = greeting().buckets.find((/** @type {Body} */ known) => known.name === one.bucket);
  const range = horizons ? `${horizons.min_horizon}–${horizons.max_horizon} bars` : "no longer configured";
  if (row === null) return card(one.bucket, pill("not trained"), h("p", { class: "muted small" }, range));
  const title = h("a", { href: `/training?run=${one.run}&bucket=${encodeURIComponent(one.bucket)}`, title: "Show its curves" }, one.bucket);
  const share = row.state === "done" ? 1 : row.episodes ? row.episode / row.episodes : 0, tint = bucketColour(one.bucket, index);
  const made = card(title, [one.run !== shown?.run && otherRun(one, shown), pill(row.state, levelOf(row.state))],
    h("p", { class: "muted small numbers" }, `${range}, episode ${row.episode} of ${row.episodes}`, row.state === "running" && row.eta_s !== null && `, ${duration(row.eta_s)} left`),
    progress(share, `progress of ${one.bucket}`, tint),
    row.episode > 0 && [spark(one.spark, `reward of the newest ${one.spark.length} episodes`, tint), metricRows(one)],
    one.verdict && h("p", { class: "note small", "data-level": one.level }, one.verdict), h("p", { class: "outcome" }, outcomePill(row)));
  made.toggleAttribute("data-other", one.run !== shown?.run);
  return made;
}

/** Which run a card is of. @param {Body} one @param {Body | null} shown */
function otherRun({ run, row }, shown) {
  const earlier = shown && row.started !== null && row.started < shown.created;
  return h("a", { class: "pill", href: `/training?run=${run}`, title: `not of the run above: begun ${moment(row.started)}` }, `${earlier ? "earlier run" : "run"} ${run}`);
}

/** The newest metrics, with the least and the greatest of the run. @param {Body} one */
function metricRows({ bucket, row, ranges = {} }) {
  const metrics = row.detail.metrics ?? {};
  return h("table", { class: "lasts" }, h("caption", { class: "visually-hidden" }, `Metrics of ${bucket}`),
    h("thead", { class: "visually-hidden" }, h("tr", {}, ["metric", "last", "least to greatest"].map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, greeting().metrics.map((/** @type {string} */ name) => h("tr", {},
      h("th", { scope: "row", title: unit(name) }, words(name)), h("td", { class: "number" }, metric(name, metrics[name])),
      h("td", { class: "number muted", title: "least to greatest of this run" }, ranges[name] && `${metric(name, ranges[name].low, 2)} to ${metric(name, ranges[name].high, 2)}`)))));
}

/** @param {Body[]} rows */
function alerts(rows) {
  return card("Alerts", rows.length === 0 && pill("none", "good"), alertList(rows));
}
