// What needs attention, in words.

import { h, pill } from "./dom.js";
import { moment } from "./format.js";

/** @param {Record<string, any>[]} rows */
export function alertList(rows) {
  if (rows.length === 0) return h("p", { class: "muted" }, "Nothing needs attention.");
  return h("ul", { class: "alerts" }, rows.map((row) => h("li", {},
    pill(row.level, row.level), h("span", {}, row.text), h("time", { class: "muted small numbers" }, moment(row.time)))));
}
