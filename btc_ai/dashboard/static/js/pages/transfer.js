// Knowledge transfer: the graph of buckets, the ledger, and one transfer with its paired curves.

import { card, empty, h, pill, replace, table } from "../dom.js";
import { iso, moment } from "../format.js";
import { get } from "../api.js";
import { change, numeric, value } from "../address.js";
import { saveCsv, saveJson } from "../feedback.js";
import { debounced } from "../later.js";
import * as runs from "../runs.js";
import { graphOf, transferGraph } from "../transfer/graph.js";
import { intervalPicture, widest } from "../transfer/interval.js";
import { Detail } from "../transfer/detail.js";
import { between, impactWords, intervalWords, outcomeOf } from "../transfer/words.js";

/** @typedef {Record<string, any>} Body */

const PAGE = 25;
const OF_GRAPH = 200;
/** Of a file, and what they are of a row. @type {Record<string, string>} */
const COLUMNS = {
  transfer: "transfer", run: "run", position: "position", source: "source", target: "target", kinds: "kinds", time: "time", decision: "decision", reason: "reason",
  difference_bps_per_bar: "difference", low_bps_per_bar: "low", high_bps_per_bar: "high", share: "share",
};

/** @param {HTMLElement} root @returns {import("../shell.js").View} */
export function open(root) {
  /** @type {Body[]} */
  let newest = [];
  /** @type {Body[]} */
  let rows = [];
  /** @type {Detail | null} */
  let detail = null;
  let loaded = false;
  const graph = h("div"), below = h("div", { class: "stack" });
  const load = async (fresh = true) => {
    const id = value("id"), from = numeric("from", 0);
    if (!fresh && detail?.id === id) return detail.update();
    const [overview, recent, page] = await Promise.all([
      get("/api/overview"), get("/api/transfers", { limit: OF_GRAPH }),
      id ? null : get("/api/transfers", { limit: PAGE, offset: from })]);
    newest = recent.transfers;
    loaded = true;
    if (newest.length === 0 && !id) return void replace(root, h("h1", { class: "visually-hidden" }, "Knowledge Transfer"), nothingYet());
    if (!graph.isConnected) replace(root, h("div", { class: "stack" }, h("h1", { class: "visually-hidden" }, "Knowledge Transfer"), graph, below));
    replace(graph, card("Buckets and what was handed on", h("span", { class: "muted small" }, "the newest transfer between any two, of every run"),
      transferGraph({ ...graphOf(overview, newest), selected: id })));
    if (detail && detail.id !== id) detail.close();
    if (page) {
      rows = page.transfers;
      detail = null;
      return void replace(below, ledger(rows, from, page.more));
    }
    if (detail?.id !== id) detail = new Detail(id);
    await detail.load();
    replace(below, detail.root);
  };
  const soon = debounced(load);
  return {
    load,
    close: () => detail?.close(),
    event: (event) => {
      if (event.known && !loaded) return;
      if (/^(transfer\.verdict|training\.run|folder\.changed)$/.test(event.kind)) soon();
      else detail?.event(event);
    },
    exports: {
      csv: () => (detail ? detail.exportCsv() : saveLedger(rows)),
      json: () => (detail ? detail.exportJson() : saveJson("btc-ai-transfers.json", rows)),
      png: () => root,
      lacking: (form) => (detail ? detail.lacking(form) : rows.length ? "" : "nothing has been transferred yet"),
      caption: () => detail?.caption() ?? "",
    },
  };
}

/** @param {Body[]} rows */
function saveLedger(rows) {
  const names = Object.values(COLUMNS);
  saveCsv("btc-ai-transfers.csv", Object.keys(COLUMNS), rows.map((row) => names.map((name) => (name === "time" ? iso(row.time) : row[name]))));
}

function nothingYet() {
  return empty("Nothing has been transferred yet",
    "In a progressive run each bucket begins with what the one before it has learned, measured beside a run from scratch.",
    h("div", { class: "row" }, runs.doing("Start progressive training", runs.askToStart, { class: "primary" }), runs.doing("Transfer knowledge …", runs.askToTransfer)));
}

/** @param {Body[]} rows @param {number} from @param {boolean} more */
function ledger(rows, from, more) {
  const most = widest(rows);
  const turn = (/** @type {string} */ text, /** @type {number} */ to, /** @type {boolean} */ there) =>
    h("button", { type: "button", disabled: !there, onclick: () => change({ from: to || null }, { remember: true }) }, text);
  return card("Ledger", h("span", { class: "muted small" }, "every transfer, newest first"),
    table("Transfers", [
      ["From → to", between, "nowrap"], ["Time", (row) => moment(row.time), "nowrap"], ["Carried", (row) => row.kinds.join(", ") || "nothing"],
      ["Outcome", (row) => pill(`${outcomeOf(row).glyph} ${outcomeOf(row).word}`, outcomeOf(row).level)],
      ["Impact, bps a bar", (row) => impactWords(row).replace(" bps a bar", ""), "number"],
      ["95 % interval", (row) => intervalWords(row).replace("95 %: ", ""), "number"], ["", (row) => intervalPicture(row, most)],
      ["Why", (row) => row.reason ?? "", "roomy"], ["Run", (row) => row.run, "nowrap"],
    ], rows, (row) => `/transfer?id=${encodeURIComponent(row.transfer)}`, true),
    (from > 0 || more) && h("div", { class: "row" }, turn("Newer", Math.max(0, from - PAGE), from > 0),
      h("span", { class: "muted small" }, `${from + 1} to ${from + rows.length}`), turn("Older", from + PAGE, more)));
}
