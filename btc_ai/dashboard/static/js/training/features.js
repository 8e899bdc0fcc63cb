// Which features a model leans on: bars of importance with their intervals.

import { h } from "../dom.js";
import { signed } from "../format.js";

/** @typedef {{name: string, mean: number, low: number, high: number}} Feature */

/** @param {Feature[]} features @param {string} unit @param {string} tint */
export function importanceBars(features, unit, tint) {
  const sorted = [...features].sort((one, other) => other.mean - one.mean);
  const least = Math.min(0, ...sorted.map((one) => one.low)), most = Math.max(0, ...sorted.map((one) => one.high));
  const at = (/** @type {number} */ value) => `${((value - least) / (most - least || 1)) * 100}%`;
  return h("div", { class: "importance", tint },
    h("ul", {}, sorted.map((one) => h("li", {}, h("span", {}, one.name), track(one, at),
      h("span", { class: "numbers small", title: "mean and 95 % interval" }, signed(one.mean, 3),
        h("span", { class: "muted" }, ` (${signed(one.low, 2)} to ${signed(one.high, 2)})`))))),
    h("p", { class: "muted small" }, unit));
}

/** @param {Feature} feature @param {(value: number) => string} at */
function track({ mean, low, high }, at) {
  const bar = h("i", { class: "mean" }), interval = h("i", { class: "whisker" }), zero = h("i", { class: "zero" });
  bar.style.left = at(Math.min(0, mean));
  bar.style.right = `calc(100% - ${at(Math.max(0, mean))})`;
  interval.style.left = at(low);
  interval.style.right = `calc(100% - ${at(high)})`;
  zero.style.left = at(0);
  return h("div", { class: "track", "aria-hidden": "true" }, bar, interval, zero);
}
