// The tiles of the board. Each is a card of its own that loads, hears events, and closes.

import { words } from "../format.js";
import { greeting } from "../api.js";
import { alertsTile, featuresTile, runTile } from "./summaries.js";
import { logTile } from "./log.js";
import { metricTile } from "./metric.js";
import { panelTile } from "./panel.js";
import { seriesTile } from "./series.js";
import { transfersTile } from "./transfers.js";

/** @typedef {Record<string, any>} Body */
/** @typedef {{live: import("../live.js").Live, overview: Body, found: Body | null}} Context what tiles share: the overview, and the run that is shown */
/**
 * @typedef {object} Tile
 * @property {HTMLElement} root
 * @property {(context: Context) => Promise<unknown>} load
 * @property {(event: Body) => void} [event]
 * @property {() => void} [close]
 */

/** @type {Record<string, [string, () => Tile]>} */
const FIXED = {
  run: ["Run", runTile],
  memory: ["GPU memory", () => seriesTile(/^gpu\.\d+\.memory$/, "GPU memory", "Memory of the machine")],
  processor: ["Processor and GPU use", () => seriesTile(/^gpu\.\d+\.utilisation$/, "GPU use", "Processor")],
  transfers: ["Knowledge transfer", transfersTile],
  features: ["Feature importance", featuresTile],
  log: ["Log", logTile],
  alerts: ["Alerts", alertsTile],
};

/** Every tile there is, by its key: its name, and how it is made. @returns {Map<string, [string, () => Tile]>} */
export function knownTiles() {
  const { metrics, panels } = greeting();
  return new Map([
    ...metrics.map((/** @type {string} */ name) => [name, [words(name), () => metricTile(name)]]),
    ...Object.entries(FIXED),
    ...panels.map((/** @type {Body} */ one) => [`panel:${one.plugin}.${one.name}`, [one.title, () => panelTile(one)]]),
  ]);
}

/** What is shown until somebody chooses. */
export function usualTiles() {
  return [...greeting().metrics.slice(0, 2), "memory", "processor", "transfers", "features", "log"];
}
