// The newest sample: what stands at the top of the page, and the processes.

import { h, s, stat, table } from "../dom.js";
import { number, percent, size } from "../format.js";
import { greeting } from "../api.js";

/** @typedef {Record<string, any>} Body */

/** What is in use now, with marks where the thresholds of memory are. @param {Body} sample */
export function gauges({ host, gpus }) {
  const rates = (/** @type {number | null} */ one, /** @type {number | null} */ other) => `${number(one, 3)} / ${number(other, 3)} MiB/s`;
  return h("div", { class: "grid", "data-least": "gauge" }, gpus.map(gpuCard),
    tile("Processor", percent(host.cpu), meter("Processor", host.cpu, false), `load ${number(host.load, 3)}`),
    tile("Memory", percent(host.memory), meter("Memory", host.memory, true), `${size(host.memory_used_mb)} of ${size(host.memory_total_mb)}`),
    host.disk !== null && host.disk !== undefined && tile("Disk of models", percent(host.disk), meter("Disk", host.disk, false), `${size(host.disk_free_mb)} free`),
    tile("Disk, network", "", null, h("div", { class: "stats", "data-least": "rates" }, stat("read / written", rates(host.disk_read_mb_s, host.disk_written_mb_s)), stat("sent / received", rates(host.network_sent_mb_s, host.network_received_mb_s)))));
}

/** @param {Body} gpu */
function gpuCard(gpu) {
  const known = [gpu.utilisation !== null && `use ${percent(gpu.utilisation)}`, gpu.temperature_c !== null && `${number(gpu.temperature_c, 3)} °C`, gpu.power_w !== null && `${number(gpu.power_w, 3)} W`];
  return tile(`GPU ${gpu.index} memory`, percent(gpu.memory), meter(`Memory of GPU ${gpu.index}`, gpu.memory, true),
    [`${size(gpu.memory_used_mb)} of ${size(gpu.memory_total_mb)}; ${known.filter(Boolean).join(", ")}`, h("br"), gpu.name]);
}

/** @param {string} title @param {string} value @param {Node | null} picture @param {import("../dom.js").Child} text */
function tile(title, value, picture, text) {
  return h("section", { class: "card gauge" }, h("header", {}, h("h2", {}, title), h("b", { class: "numbers" }, value)), picture, h("div", { class: "muted small numbers" }, text));
}

/** @param {string} label @param {number} share @param {boolean} memory */
function meter(label, share, memory) {
  const { memory_warning: warning, memory_limit: limit } = greeting().thresholds;
  const level = !memory ? "neutral" : share >= limit ? "bad" : share >= warning ? "warning" : "good";
  const mark = (/** @type {number} */ at) => s("line", { x1: at * 100, x2: at * 100, y1: 0, y2: 10, class: "mark" });
  return s("svg", { class: "meter", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "data-level": level, "aria-label": `${label}: ${percent(share)}${memory ? `, ${level === "good" ? "in the optimal zone" : `above the ${level === "bad" ? "limit" : "warning threshold"}`}` : ""}` },
    s("rect", { class: "track", width: 100, height: 10 }), s("rect", { class: "used", width: Math.min(1, share) * 100, height: 10 }), memory && [mark(warning), mark(limit)]);
}

/** @typedef {{gpu_state: string | null, gpu_detail: string, suggested_batch: string | null}} Words of the GPUs; no state: nobody measures */

/** What there is to say of the GPUs as a whole. @param {Words} found @param {string} [before] what is said first */
export function gpuWords({ gpu_state: state, gpu_detail: detail, suggested_batch: batch }, before = "") {
  const zone = `Optimal zone of memory: green, below the warning at ${percent(greeting().thresholds.memory_warning)}.`;
  return [
    state === "lost" && h("p", { class: "note", "data-level": "bad" }, `A GPU does not answer: ${detail || "its driver says nothing"}. Its driver is asked again every half minute.`),
    h("p", { class: "note" }, before || (state === null && "Nobody measures just now: what is shown is what was. "), state === "none" && "No GPU here, or no driver for one: training uses the processor. ", zone, batch && [" ", h("b", {}, "Suggested batch size: "), `${batch}.`]),
  ];
}

/** @param {Body[]} processes */
export function processTable(processes) {
  const gpu = processes.some((one) => one.gpu_memory_mb !== null && one.gpu_memory_mb !== undefined);
  return table("Processes", [
    ["Process", (row) => row.name], ["Pid", (row) => row.pid ?? "–", "number"], ["Processor, cores", (row) => number(row.cpu, 3), "number"],
    ["Memory", (row) => size(row.memory_mb), "number"], ...(gpu ? [/** @type {[string, (row: Body) => import("../dom.js").Child, string]} */ (["GPU memory", (row) => (row.gpu_memory_mb ? size(row.gpu_memory_mb) : "–"), "number"])] : []),
  ], processes);
}
