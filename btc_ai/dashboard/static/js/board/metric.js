// A tile of one metric: a line for each bucket of the run.

import { h } from "../dom.js";
import { metric, unit, words } from "../format.js";
import { Chart } from "../chart.js";
import { BucketCurves, armOf } from "../training/curves.js";
import { bucketColour } from "../training/details.js";

const SMOOTH = 0.6;

/** @param {string} name @returns {import("./tiles.js").Tile} */
export function metricTile(name) {
  const measured = unit(name);
  const chart = new Chart({ title: `${words(name)}${measured && `, ${measured}`}`, unit: "episode", form: (value) => metric(name, value) });
  /** @type {BucketCurves[]} */
  let buckets = [];
  const load = async (/** @type {import("./tiles.js").Context} */ { found }) => {
    buckets = (found?.run.buckets ?? []).filter((/** @type {any} */ row) => row.episode > 0).map((/** @type {any} */ row) => new BucketCurves(found?.run, row));
    await Promise.all(buckets.map((one) => one.fetch([name], { smooth: SMOOTH })));
    const lines = buckets.map((one) => one.own(name, { colour: bucketColour(one.row.bucket) })).filter((line) => line !== null);
    chart.set({ lines, smooth: SMOOTH });
  };
  return {
    root: h("section", { class: "card" }, chart.root), load,
    event: ({ kind, body }) => {
      const value = body.metrics?.[name];
      const arm = armOf(kind, body);
      if (arm && value !== null && value !== undefined) chart.append(`${body.run}.${body.position}.${arm}.${name}`, body.episode, value);
    },
    close: () => chart.destroy(),
  };
}
