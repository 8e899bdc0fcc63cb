// Which series stand in which chart, and how they are written.

import { greeting } from "../api.js";
import { withGaps, looksOf } from "./gaps.js";
import { colour, number, percent, size } from "../format.js";

/** @typedef {Record<string, any>} Body */
/**
 * @typedef {object} Group one chart
 * @property {string} title
 * @property {RegExp} series its series; what the first group of it catches names the line
 * @property {(value: number | null | undefined) => string} form
 * @property {[number | null, number | null]} [bounds]
 * @property {boolean} [memory] whether it has the memory's zones
 */

const SHARE = /** @type {[number, number]} */ ([0, 1]);
const FROM_ZERO = /** @type {[number, null]} */ ([0, null]);
const short = (/** @type {number | null | undefined} */ value) => number(value, 3);
const ofMiB = (/** @type {number | null | undefined} */ value) => (value === null || value === undefined ? "–" : size(value));

/** @type {readonly Group[]} */
export const GROUPS = [
  { title: "GPU memory", series: /^gpu\.(\d+)\.memory$/, form: percent, bounds: SHARE, memory: true },
  { title: "Memory of the machine", series: /^host\.(memory)$/, form: percent, bounds: SHARE, memory: true },
  { title: "GPU use", series: /^gpu\.(\d+)\.utilisation$/, form: percent, bounds: SHARE },
  { title: "Processor", series: /^host\.(cpu)$/, form: percent, bounds: SHARE },
  { title: "GPU temperature", series: /^gpu\.(\d+)\.temperature_c$/, form: (value) => `${number(value, 3)} °C` },
  { title: "GPU power", series: /^gpu\.(\d+)\.power_w$/, form: (value) => `${number(value, 3)} W`, bounds: FROM_ZERO },
  { title: "Disk, MiB/s", series: /^host\.disk_(read|written)_mb_s$/, form: short, bounds: FROM_ZERO },
  { title: "Network, MiB/s", series: /^host\.network_(sent|received)_mb_s$/, form: short, bounds: FROM_ZERO },
  { title: "Processor, cores by process", series: /^process\.(.+)\.cpu$/, form: short, bounds: FROM_ZERO },
  { title: "Memory, by process", series: /^process\.(.+)\.memory_mb$/, form: ofMiB, bounds: FROM_ZERO },
];

/** The chart of a series, if it has one. @param {string} name */
export function groupOf(name) {
  return GROUPS.find((group) => group.series.test(name));
}

/** A chart by its title. @param {string} title */
export function groupNamed(title) {
  return /** @type {Group} */ (GROUPS.find((group) => group.title === title));
}

/** @param {Group} group @param {Body[]} series @returns {import("../chart.js").Line[]} */
export function linesOf(group, series) {
  const looks = looksOf(series);
  return series.filter(({ name }) => group.series.test(name)).map(({ name, time, mean }, index) => {
    const caught = group.series.exec(name)?.[1] ?? name;
    return { key: name, label: name.startsWith("gpu.") ? `GPU ${caught}` : caught, colour: colour(index), broken: true, ...withGaps(time, mean, looks) };
  });
}

/** What happened, beside the lines of a chart; in words where the memory is, which has its zones besides. @param {Group} group @param {import("../chart.js").Marker[]} markers */
export function marked({ memory }, markers) {
  return memory ? { markers, ...thresholds() } : { markers: markers.map((one) => ({ ...one, label: "" })) };
}

/** The memory's zones: optimal, above the warning, above the limit. */
function thresholds() {
  const { memory_warning: warning, memory_limit: limit } = greeting().thresholds;
  return {
    zones: [{ from: 0, to: warning, level: "good" }, { from: warning, to: limit, level: "warning" }, { from: limit, to: 1, level: "bad" }],
    levels: [{ value: warning, label: `warning ${percent(warning)}`, level: "warning" }, { value: limit, label: `limit ${percent(limit)}`, level: "bad" }],
  };
}
