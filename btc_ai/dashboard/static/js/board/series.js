// A tile of what the machine does: its GPUs, or the machine itself where it has none.

import { h, replace } from "../dom.js";
import { get } from "../api.js";
import { Chart } from "../chart.js";
import { groupNamed, linesOf, marked } from "../system/groups.js";
import { markersOf } from "../system/markers.js";
import { seriesIn } from "../system/samples.js";

const SHOWN_S = 3600;
const POINTS = 300;

/** @param {RegExp} series of GPUs @param {string} title of their group @param {string} otherwise the group without a GPU @returns {import("./tiles.js").Tile} */
export function seriesTile(series, title, otherwise) {
  const root = h("section", { class: "card" });
  /** @type {Chart | null} */
  let chart = null;
  const load = async () => {
    const end = Date.now() / 1000, start = end - SHOWN_S;
    const [found, transfers, memory] = await Promise.all([
      get("/api/system", { start, end, names: "host.cpu,host.memory,gpu.*", points: POINTS }), get("/api/transfers", { limit: 20 }), get("/api/events", { kind: "training.memory", limit: 50 })]);
    const group = groupNamed(found.series.some((/** @type {{name: string}} */ one) => series.test(one.name)) ? title : otherwise);
    if (chart?.look.title !== group.title) {
      chart?.destroy();
      chart = new Chart({ title: group.title, unit: "time", form: group.form, bounds: group.bounds });
      replace(root, chart.root);
    }
    chart.set({ lines: linesOf(group, found.series), ...marked(group, markersOf(transfers.transfers, memory.events, start, end)) });
  };
  return {
    root, load,
    event: ({ kind, time, body }) => {
      if (kind === "monitoring.sample") for (const [name, value] of seriesIn(body)) chart?.append(name, time, value);
    },
    close: () => chart?.destroy(),
  };
}
