// What stands above the curves: which bucket, which metrics, how smooth, and which runs lie over one another.

import { h } from "../dom.js";
import { words } from "../format.js";
import { change } from "../address.js";

export const SIDE_BY_SIDE = "all";

/** @typedef {import("../pages/training.js").Asked} Asked */

/**
 * @param {Asked} asked @param {string[]} buckets @param {string[]} metrics those there are
 * @param {Record<string, string>} lacking what is amiss with runs that are to lie over it
 * @param {{smooth: (weight: number) => void, runs: () => void}} on
 */
export function controls(asked, buckets, metrics, lacking, on) {
  return h("div", { class: "controlrows" },
    h("div", { class: "toolbar" },
      choices("Bucket", [...buckets, ...(buckets.length > 1 ? [SIDE_BY_SIDE] : [])].map((name) => ({
        text: name === SIDE_BY_SIDE ? "Side by side" : name, on: name === asked.bucket, choose: () => change({ bucket: name }, { remember: true }),
      }))),
      h("div", { class: "chips" }, asked.runs.map((run) => h("button", { type: "button", class: "chip", title: "Compare with it no longer", onclick: () =>
        change({ runs: asked.runs.filter((one) => one !== run) }) }, h("span", { class: "mono" }, run), lacking[run] && h("span", { class: "muted" }, ` ${lacking[run]}`), " ×")),
      h("button", { type: "button", id: "compare", onclick: on.runs }, "Compare runs …"))),
    h("div", { class: "toolbar" },
      choices("Metrics", metrics.map((name) => ({ text: words(name), on: asked.metrics.includes(name), choose: () => change({ metrics: switched(asked.metrics, name, metrics) }) }))),
      smoothing(asked.smooth, on.smooth),
      h("label", { class: "check small" }, h("input", { type: "checkbox", id: "log", checked: asked.log, onchange: (/** @type {Event} */ event) =>
        change({ log: /** @type {HTMLInputElement} */ (event.target).checked }) }), "Log scale"),
      h("button", { type: "button", id: "whole", hidden: asked.x0 === null, onclick: () => change({ x0: null, x1: null }, { remember: true }) }, "Reset zoom")));
}

/** @param {string} label @param {{text: string, on: boolean, choose: () => void}[]} options */
function choices(label, options) {
  return h("div", { class: "chips", role: "group", "aria-label": label },
    options.map(({ text, on, choose }) => h("button", { type: "button", class: "chip", "aria-pressed": String(on), onclick: choose }, text)));
}

/** @param {number} weight @param {(weight: number) => void} shown */
function smoothing(weight, shown) {
  const told = h("output", { class: "numbers" }, weight.toFixed(2));
  const slider = h("input", { type: "range", id: "smooth", min: 0, max: 0.99, step: 0.01 });
  slider.value = String(weight);
  slider.addEventListener("input", () => {
    told.textContent = Number(slider.value).toFixed(2);
    shown(Number(slider.value));
  });
  slider.addEventListener("change", () => change({ smooth: slider.value }));
  return h("label", { class: "row small" }, "Smoothing", slider, told);
}

/** The metrics with one more or one less, in order; at least one stays. @param {string[]} shown @param {string} name @param {string[]} all */
function switched(shown, name, all) {
  const next = shown.includes(name) ? shown.filter((one) => one !== name) : all.filter((one) => one === name || shown.includes(one));
  return next.length ? next : shown;
}
