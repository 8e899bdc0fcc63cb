// Choosing among runs, of which there may be a thousand: one to look at, others to lay over it.

import { h, pill, replace } from "../dom.js";
import { levelOf, moment } from "../format.js";
import { get } from "../api.js";
import { action, tellError } from "../feedback.js";
import { change, go } from "../address.js";

/** @typedef {Record<string, any>} Body */

const PAGE = 100;
export const MOST_OVERLAYS = 6;

/**
 * The dialogue of runs.
 * @param {string} shown the run that the page shows @param {string[]} overlaid
 */
export function pickRuns(shown, overlaid) {
  const chosen = new Set(overlaid);
  /** @type {Body[]} */
  const known = [];
  let more = true;
  const list = h("ul", { class: "runs" }), count = h("p", { class: "muted small", role: "status" });
  const search = h("input", { type: "search", placeholder: "run, state, market or bucket", oninput: () => void draw().catch(tellError) });
  const next = action("Show more", async () => {
    await fetchPage();
    await draw();
  });
  const dialog = h("dialog", { class: "tall", "aria-label": "Runs", onclose: () => dialog.remove() },
    h("header", { class: "row spread" }, h("h2", {}, "Runs"), h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Close")),
    h("label", { class: "field" }, "Search", search), list, h("div", { class: "row spread" }, count, next));

  async function fetchPage() {
    const found = await get("/api/runs", { limit: PAGE, offset: known.length });
    known.push(...found.runs);
    more = found.more;
  }
  async function draw() {
    const wanted = search.value.trim().toLowerCase();
    while (wanted && more) await fetchPage();  // what is searched for may be on any page
    const matching = known.filter((run) => wordsOf(run).includes(search.value.trim().toLowerCase()));
    replace(list, matching.map(row));
    next.hidden = !more;
    count.textContent = `${matching.length} of ${known.length}${more ? " or more" : ""} runs`;
  }
  const row = (/** @type {Body} */ run) => h("li", { "aria-current": run.run === shown && "true" },
    h("label", { class: "check", title: "Lay this run's curves over those of the run that is shown" },
      h("input", { type: "checkbox", checked: chosen.has(run.run), disabled: run.run === shown, onchange: (/** @type {Event} */ event) => overlay(event, run.run) }),
      h("span", { class: "visually-hidden" }, `compare with ${run.run}`)),
    h("button", { type: "button", class: "quiet", onclick: () => {
      dialog.close();
      go(`/training?run=${run.run}`);
    } }, h("b", { class: "mono" }, run.run), pill(run.state, levelOf(run.state)),
      h("span", { class: "muted small" }, [`${run.symbol} ${run.interval}`.trim(), moment(run.created)].filter(Boolean).join(", ")),
      h("span", { class: "small clip" }, run.buckets.map((/** @type {Body} */ one) => one.bucket).join(" → "))));
  const overlay = (/** @type {Event} */ event, /** @type {string} */ run) => {
    const box = /** @type {HTMLInputElement} */ (event.target);
    if (box.checked && chosen.size >= MOST_OVERLAYS) box.checked = false;
    else if (box.checked) chosen.add(run);
    else chosen.delete(run);
    count.textContent = chosen.size >= MOST_OVERLAYS ? `${MOST_OVERLAYS} runs are as many as can be told apart` : `${chosen.size} runs to compare with`;
    change({ run: shown, runs: [...chosen] });
  };
  document.body.append(dialog);
  dialog.showModal();
  return fetchPage().then(draw).catch(tellError);
}

/** @param {Body} run */
function wordsOf(run) {
  return [run.run, run.state, run.symbol, run.interval, moment(run.created), ...run.buckets.map((/** @type {Body} */ one) => one.bucket)].join(" ").toLowerCase();
}
