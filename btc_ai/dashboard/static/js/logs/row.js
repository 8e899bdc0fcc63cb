// One log record as a row: a line, and open, all of it.

import { h } from "../dom.js";

/** @typedef {import("./list.js").LogRecord} LogRecord */

/**
 * @param {LogRecord} record @param {string} id
 * @param {{open: boolean, chosen: boolean, marked: RegExp | null}} how
 */
export function row(record, id, { open, chosen, marked }) {
  const [date, time] = clock(record.time), of = short(record), cell = { role: "gridcell" };
  return h("div", { class: "log", role: "row", id, "aria-level": 1, "aria-selected": String(chosen), "aria-expanded": String(open), "data-level": record.level },
    h("span", { ...cell, class: "fold", title: open ? "Fold" : "Show all of it", "data-more": Boolean(record.more) }, open ? "▾" : "▸"),
    h("span", { ...cell, class: "time" }, h("span", { class: "date" }, date), time),
    h("span", { ...cell, class: "level" }, record.level),
    h("span", { ...cell, class: "name", title: record.name }, record.name.replace(/^btc_ai\./, "")),
    h("span", { ...cell, class: "text" }, of && h("span", { class: "of", title: about(record) }, of), parts(record.text, marked)),
    open && h("div", { ...cell, class: "whole" }, h("p", { class: "muted" }, about(record)), parts(record.text, marked),
      record.more && h("pre", {}, parts(record.more, marked))));
}

/** Of which bucket a record is, and whether of the twin from scratch: two that train at once take turns. @param {LogRecord} record */
function short({ bucket, worker }) {
  return [bucket, worker?.endsWith(".scratch") && "scratch"].filter(Boolean).join(" · ");
}

/** Of whom and of what a record is. @param {LogRecord} record */
function about({ name, run, bucket, worker, time }) {
  return [name, run && `run ${run}`, bucket && `bucket ${bucket}`, worker && `worker ${worker}`, new Date(time * 1000).toISOString()].filter(Boolean).join(" · ");
}

/** The day and the time of this computer's clock. @param {number} seconds */
function clock(seconds) {
  const then = new Date(seconds * 1000), pad = (/** @type {number} */ part, digits = 2) => String(part).padStart(digits, "0");
  return [`${pad(then.getMonth() + 1)}-${pad(then.getDate())} `, `${pad(then.getHours())}:${pad(then.getMinutes())}:${pad(then.getSeconds())}.${pad(then.getMilliseconds(), 3)}`];
}

/** A text with what was searched for marked in it. @param {string} text @param {RegExp | null} marked with the flag g */
function parts(text, marked) {
  if (!marked) return [text];
  /** @type {(string | HTMLElement)[]} */
  const found = [];
  let end = 0;
  for (const match of text.matchAll(marked)) {
    if (match[0] === "") continue;
    found.push(text.slice(end, match.index), h("mark", {}, match[0]));
    end = match.index + match[0].length;
  }
  return [...found, text.slice(end)];
}
