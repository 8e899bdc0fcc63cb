// A chart in words: its legend, and what those hear who do not see it.

import { h, replace } from "./dom.js";
import { moment, number } from "./format.js";

/** @typedef {import("./chart.js").Chart} Chart */

const ROWS_READ_ALOUD = 10;
const LOOK_BACK = 50;

/** What the legend says of a row; null: of the newest values. @param {Chart} chart @param {number | null} row */
export function tell(chart, row) {
  const form = chart.look.form ?? number;
  const parts = chart.drawn.lines.map((line, index) => {
    const at = chart.columnOf(index), raw = valueAt(chart.columns[at], row);
    const shown = chart.smooth[index] ? valueAt(chart.columns[at + 1], row) : raw;
    return h("span", {}, h("i", { tint: line.colour, "data-dash": Boolean(line.dash) }), `${line.label} `, h("b", {}, form(shown)),
      chart.smooth[index] && row !== null && h("span", { class: "muted" }, ` (${form(raw)})`));
  });
  replace(chart.legend, row === null ? null : h("span", {}, wordsOf(chart.look, Number(chart.columns[0][row]))), parts);
}

/** @param {import("./chart.js").Look} look @param {number} x */
export function wordsOf(look, x) {
  return look.unit === "time" ? moment(x) : look.unit === "episode" ? `episode ${Math.round(x)}` : number(x);
}

/** The same in words: a sentence, and a table of a few points. @param {Chart} chart */
export function describe(chart) {
  const { lines } = chart.drawn, { title, unit } = chart.look, form = chart.look.form ?? number;
  const newest = lines.map((line) => `${line.label} ${form(lastOf(line.y))}`).join(", ");
  chart.plot.setAttribute("aria-label", lines.length
    ? `${title}: ${newest}. Arrow keys read points, plus and minus zoom, Escape shows all.` : `${title}: nothing yet`);
  const [x] = chart.columns, count = Math.min(ROWS_READ_ALOUD, x.length);
  const rows = Array.from({ length: count }, (_, index) => Math.floor((index * (x.length - 1)) / Math.max(1, count - 1)));
  replace(chart.table, h("table", {}, h("caption", {}, `${title}, a few points`),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, unit), lines.map((line) => h("th", { scope: "col" }, line.label)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, h("th", { scope: "row" }, wordsOf(chart.look, Number(x[row]))),
      lines.map((_, index) => h("td", {}, form(valueAt(chart.columns[chart.columnOf(index)], row)))))))));
}

/** Numbers below one another with as many digits after the point each; what is no plain number stays. @param {string[]} texts */
export function alike(texts) {
  const digits = texts.map((text) => /^−?\d+(?:\.(\d+))?$/.exec(text)?.[1]?.length ?? 0), most = Math.max(0, ...digits);
  return texts.map((text, index) => (/^−?\d+(\.\d+)?$/.test(text) && digits[index] < most ? `${text}${digits[index] ? "" : "."}${"0".repeat(most - digits[index])}` : text));
}

/** The last value that is there. @param {(number | null | undefined)[]} values */
export function lastOf(values) {
  return values.findLast((value) => value !== null && value !== undefined) ?? null;
}

/** The value of a row, or the last one shortly before. @param {(number | null | undefined)[]} values @param {number | null} row */
function valueAt(values, row) {
  if (row === null) return lastOf(values);
  return lastOf(values.slice(Math.max(0, row - LOOK_BACK), row + 1));
}
