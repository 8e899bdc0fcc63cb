// What happened to the training meanwhile: transfers, and what was done when memory ran short.

/** @typedef {Record<string, any>} Body */

/** @param {Body[]} transfers @param {Body[]} events of the kind `training.memory` @param {number} start @param {number} end @returns {import("../chart.js").Marker[]} */
export function markersOf(transfers, events, start, end) {
  const handed = transfers.map((row) => ({ x: row.time, label: `${row.source ?? "?"} → ${row.target}`, level: "focus" }));
  const rungs = events.filter(({ body }) => body.what !== "no_gpu").map(({ time, body }) => ({ x: time, label: body.what === "rung" ? `memory step ${body.rung}` : `memory ${body.what}`, level: body.what === "limit" ? "bad" : "warning" }));
  return [...handed, ...rungs].filter(({ x }) => x >= start && x <= end);
}
