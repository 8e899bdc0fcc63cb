// A transfer in words: what became of it, what it was worth, what it carried.

import { signed } from "../format.js";

/** @typedef {Record<string, any>} Body */
/** @typedef {{word: string, level: string, glyph: string, shape: "whole" | "dashed" | "dotted" | "thin"}} Outcome */

/** What can be carried over, by its letter. */
export const KINDS = /** @type {const} */ ({ weights: "W", features: "F", horizons: "H" });

/** What became of a transfer: a word, a colour and a shape each. @type {Record<string, Outcome>} */
export const OUTCOMES = {
  kept: { word: "kept", level: "good", glyph: "✓", shape: "whole" },
  rolled_back: { word: "rolled back", level: "warning", glyph: "↺", shape: "dashed" },
  failed: { word: "failed", level: "bad", glyph: "✕", shape: "dotted" },
  open: { word: "not measured", level: "neutral", glyph: "…", shape: "thin" },
};

const ENDED = ["done", "failed"];

/** @param {Body} row `state`: of the bucket it was handed to @returns {Outcome} */
export function outcomeOf(row) {
  if (row.decision in OUTCOMES) return OUTCOMES[row.decision];
  if (row.kinds.length === 0) return OUTCOMES.failed;
  return row.reason || ENDED.includes(row.state) ? OUTCOMES.open : { ...OUTCOMES.open, word: "not measured yet" };
}

/** The same of a bucket, as its run tells of it; null: nothing was handed to it. @param {Body} row */
export function outcomeOfStep({ state, detail: { transfer, verdict, rolled_back: rolledBack } }) {
  if (!transfer) return rolledBack ? OUTCOMES.rolled_back : null;
  return outcomeOf({ kinds: transfer.kinds ?? [], decision: rolledBack ? "rolled_back" : verdict?.decision, reason: verdict?.error, state });
}

/** The difference to a run from scratch, with its unit. @param {Body} row */
export function impactWords(row) {
  return row.difference === null ? "" : `${signed(row.difference)} bps a bar`;
}

/** @param {Body} row */
export function intervalWords(row) {
  if (row.difference === null) return "";
  return row.low === null ? "too few blocks for an interval" : `95 %: ${signed(row.low)} … ${signed(row.high)}`;
}

/** Where from, where to. @param {Body} row */
export function between(row) {
  return `${row.source ?? "unknown"} → ${row.target}`;
}

/** All of it in one sentence. @param {Body} row */
export function sentence(row) {
  const carried = row.kinds.length ? row.kinds.join(", ") : "nothing";
  const worth = [impactWords(row), intervalWords(row)].filter(Boolean).join(", ");
  return `${between(row)}: ${outcomeOf(row).word}; carried ${carried}${worth ? `; ${worth}` : ""}${row.reason ? `; ${row.reason}` : ""}`;
}
