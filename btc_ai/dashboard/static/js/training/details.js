// What is said of a run beside its curves: how far it is, what became of each bucket, its models.

import { card, empty, h, pill, progress, table } from "../dom.js";
import { colour, duration, iso, levelOf, moment, signed, size, whole, words } from "../format.js";
import { action } from "../feedback.js";
import { greeting } from "../api.js";
import * as runs from "../runs.js";
import { outcomeOfStep } from "../transfer/words.js";
import { importanceBars } from "./features.js";

/** @typedef {Record<string, any>} Body */

/** The colour of a bucket, the same on every page. @param {string} bucket @param {number} [otherwise] */
export function bucketColour(bucket, otherwise = 0) {
  const index = greeting().buckets.findIndex((/** @type {Body} */ one) => one.name === bucket);
  return colour(index < 0 ? otherwise : index);
}

/** The hash of the configuration of a bucket. @param {Body | null} found as `/api/runs/{run}` has it @param {number} position */
export function configurationOf(found, position) {
  return /** @type {string | null} */ (found?.bucket_config_sha256[position] ?? null);
}

/** What a run was made of, below a picture of it. @param {Body | null} found as `/api/runs/{run}` has it @param {number} [position] of the only bucket that is shown */
export function originWords(found, position) {
  const data = found?.data, one = position !== undefined, hash = one ? configurationOf(found, position) : found?.config_sha256;
  return `${data ? `${data.symbol} ${data.interval} ${iso(data.start)} to ${iso(data.end)}, ` : ""}configuration${one ? "" : " of all buckets"} ${hash?.slice(0, 16) ?? "not known"}`;
}

/** The run, how far it is, and what can be done with it. @param {Body} run @param {import("../dom.js").Child} more words @param {import("../dom.js").Child} [aside] */
export function runCard(run, more, aside) {
  const rows = run.buckets, all = sum(rows, (row) => row.episodes), done = sum(rows, (row) => (row.state === "done" ? row.episodes : row.episode));
  const now = rows.find((/** @type {Body} */ row) => row.state === "running");
  const words = [
    `${run.symbol} ${run.interval}${run.synthetic ? " (synthetic)" : ""}`.trim(), run.seed !== null && `seed ${run.seed}`, `begun ${moment(run.created)}`, !run.transfer && "without transfer",
    now && `${now.bucket}: episode ${whole(now.episode)} of ${whole(now.episodes)}${now.eta_s === null ? "" : `, ${duration(now.eta_s)} left`}`, more,
  ];
  return card(["Run ", h("span", { class: "mono" }, run.run)], h("div", { class: "row" }, runs.stateOf(run), runs.steering(run), aside),
    h("p", { class: "muted small numbers about" }, words.filter(Boolean).map((one) => h("span", {}, one))),
    run.error && h("p", { class: "note", "data-level": "bad" }, run.error), progress(all ? done / all : 0, "progress of the run"));
}

/** Why there is no run to show. */
export function noRunWords() {
  return greeting().history?.ok === false ? "No run is known: the history cannot be read" : "Nothing has been trained yet";
}

/** In place of the run of an address that there is not. @param {string} run @param {string} page where the newest is shown */
export function noSuchRun(run, page) {
  return empty(`There is no run ${run.slice(0, 40)}`, "It may have been of another models folder.", h("a", { class: "button", href: page }, "Show the newest run"));
}

/** @param {Body[]} rows @param {(row: Body) => number} value */
function sum(rows, value) {
  return rows.reduce((/** @type {number} */ total, row) => total + value(row), 0);
}

/** How far a bucket is, and its verdict in words. @param {Body} row */
export function bucketState(row) {
  const left = row.state === "running" && row.eta_s !== null ? `, ${duration(row.eta_s)} left` : "";
  return h("div", { class: "row small" }, pill(row.state, levelOf(row.state)),
    h("span", { class: "muted numbers" }, `episode ${whole(row.episode)} of ${whole(row.episodes)}${left}, learner ${row.learner}`),
    row.degraded && pill("memory ran short: learned with less", "warning"), verdict(row.detail, row.state));
}

/** @param {Body} detail @param {string} state */
function verdict({ transfer, verdict: found, rolled_back: rolledBack }, state) {
  if (!transfer?.kinds?.length) return rolledBack ? h("span", {}, words(rolledBack)) : null;
  const from = `${transfer.kinds.join(", ")} from ${transfer.source}`;
  if (!found) return h("span", { class: "muted" }, `${from}; ${rolledBack ?? (state === "done" ? "not measured" : "not measured yet")}`);
  const { difference, low, high } = found.impact ?? {};
  const impact = found.impact ? `: ${signed(difference, 3)} net bps a bar against from scratch (95 % interval ${signed(low, 3)} to ${signed(high, 3)})` : "";
  return h("span", {}, `${from} ${(found.decision ?? "not measured").replace("_", " ")}${impact}`);
}

/** What became of what was handed to a bucket; nothing where nothing was. @param {Body} row */
export function outcomePill(row) {
  const outcome = outcomeOfStep(row), source = row.detail.transfer?.source;
  return outcome && pill(`${outcome.glyph} transfer${source ? ` from ${source}` : ""} ${outcome.word}`, outcome.level);
}

/** @param {{unit: string, buckets: Body[]}} features as `/api/runs/{run}/features` has them */
export function featuresCard({ unit, buckets }) {
  if (buckets.length === 0) return card("Feature importance", null, h("p", { class: "muted" }, "Not known yet: it is measured when a bucket's training is done."));
  const made = card("Feature importance", null, h("div", { class: "grid" }, buckets.map((one, index) =>
    h("div", {}, h("h3", {}, one.bucket), importanceBars(one.features, unit, bucketColour(one.bucket, index))))));
  if (buckets.length > 1) made.dataset.whole = "";
  made.classList.add("features");
  return made;
}

/** @param {Body[]} checkpoints @param {Body[]} rows the run's buckets */
export function modelsCard(checkpoints, rows) {
  if (checkpoints.length === 0) return card("Models and checkpoints", null, h("p", { class: "muted" }, "None yet: the first checkpoint comes within a few episodes."));
  const names = new Map(rows.map((row) => [row.position, row.bucket]));
  return card("Models and checkpoints", null, table("Models and checkpoints", [
    ["Bucket", (one) => names.get(one.position) ?? one.position], ["Kind", (one) => pill(one.kind, one.kind === "model" ? "good" : "neutral")],
    ["Episode", (one) => whole(one.episode), "number"], ["Size", (one) => size(one.bytes / 2 ** 20), "number"], ["Time", (one) => moment(one.time), "nowrap"],
    ["SHA-256", (one) => h("code", { title: one.sha256 ?? "" }, one.sha256?.slice(0, 12) ?? "–")], ["Folder", (one) => action("Copy path", () => navigator.clipboard.writeText(one.path), { title: one.path, class: "quiet small" })],
  ], checkpoints, undefined, true));
}
