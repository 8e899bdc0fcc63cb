// A tile that a plugin has added: text, a table, or lines.

import { card, h, replace, table } from "../dom.js";
import { get } from "../api.js";
import { colour } from "../format.js";
import { Chart } from "../chart.js";

/** @typedef {Record<string, any>} Body */

const LEAST_S = 1;

/** @param {Body} panel as `/api/hello` has it @returns {import("./tiles.js").Tile} */
export function panelTile({ plugin, name, title, kind, every_s: every }) {
  const chart = kind === "line" ? new Chart({ title, unit: "x" }) : null;
  const body = h("div"), root = chart ? h("section", { class: "card" }, body) : card(title, h("span", { class: "muted small" }, plugin), body);
  let timer = 0;
  const show = async () => {
    /** @type {Body} */
    const answer = await get(`/api/panels/${plugin}/${name}`).catch((error) => ({ problem: error.message }));
    if (answer.problem) replace(body, h("p", { class: "note small", "data-level": "warning" }, answer.problem));
    else if (chart) {
      replace(body, chart.root);
      chart.set({ lines: linesOf(answer.series ?? {}) });
    } else replace(body, kind === "table" ? rowsOf(title, answer.rows ?? []) : h("p", { class: "plain" }, String(answer.text ?? "")));
  };
  return {
    root,
    load: async ({ live }) => {
      await show();
      timer ||= window.setInterval(() => live.watching && document.visibilityState === "visible" && void show(), Math.max(LEAST_S, every) * 1000);
    },
    close: () => {
      clearInterval(timer);
      chart?.destroy();
    },
  };
}

/** @param {string} title @param {Body[]} rows maps with the same keys */
function rowsOf(title, rows) {
  if (rows.length === 0) return h("p", { class: "muted" }, "Nothing to show.");
  const written = (/** @type {unknown} */ value) => (value !== null && typeof value === "object" ? JSON.stringify(value) : String(value ?? "–"));
  return table(title, Object.keys(rows[0]).map((key) => [key, (/** @type {Body} */ row) => written(row[key])]), rows);
}

/** @param {Record<string, [number, number][]>} series */
function linesOf(series) {
  return Object.entries(series).map(([name, points], index) => ({
    key: name, label: name, colour: colour(index), x: points.map(([x]) => x), y: points.map(([, y]) => y),
  }));
}
