// Impacts with their intervals, small: on one scale, so that they can be compared down a column.

import { s } from "../dom.js";
import { impactWords, intervalWords, outcomeOf } from "./words.js";

/** @typedef {Record<string, any>} Body */

const WIDTH = 130;
const MIDDLE = 10;

/** The widest of some impacts, for a scale that all share. @param {Body[]} rows */
export function widest(rows) {
  return Math.max(1e-9, ...rows.flatMap((row) => [row.difference, row.low, row.high]).map((value) => Math.abs(value ?? 0)));
}

/** @param {Body} row @param {number} most the end of the scale, both ways from no difference */
export function intervalPicture(row, most) {
  if (row.difference === null) return null;
  const x = (/** @type {number} */ value) => WIDTH / 2 + (value / most) * (WIDTH / 2 - 6);
  return s("svg", { class: "interval", viewBox: `0 0 ${WIDTH} 20`, role: "img", "data-level": outcomeOf(row).level, "aria-label": `${impactWords(row)}, ${intervalWords(row)}` },
    s("line", { class: "zero", x1: WIDTH / 2, x2: WIDTH / 2, y1: 0, y2: 20 }),
    row.low !== null && s("line", { class: "span", x1: x(row.low), x2: x(row.high), y1: MIDDLE, y2: MIDDLE }),
    s("circle", { cx: x(row.difference), cy: MIDDLE, r: 4 }));
}
