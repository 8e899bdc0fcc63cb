// What needs attention, in words.

import { h, pill } from "./dom.js";
import { moment } from "./format.js";

/** What was told several times stands there once, with the newest time. @param {Record<string, any>[]} rows newest first */
export function alertList(rows) {
  /** @type {Map<string, {row: Record<string, any>, times: number}>} */
  const told = new Map();
  for (const row of rows) {
    const key = `${row.level} ${row.text}`, known = told.get(key);
    if (known) known.times++;
    else told.set(key, { row, times: 1 });
  }
  if (rows.length === 0) return h("p", { class: "muted" }, "Nothing needs attention.");
  return h("ul", { class: "alerts" }, [...told.values()].map(({ row, times }) => h("li", {},
    pill(row.level, row.level), h("span", {}, row.text, times > 1 && h("span", { class: "muted" }, ` (${times} times)`)), h("time", { class: "muted small numbers" }, moment(row.time)))));
}
