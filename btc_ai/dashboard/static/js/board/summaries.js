// Tiles of few words: the run, its features, what needs attention.

import { card, h, renew, replace } from "../dom.js";
import { get } from "../api.js";
import { alertList } from "../alerts.js";
import { debounced } from "../later.js";
import { bucketColour, noRunWords, runCard } from "../training/details.js";
import { importanceBars } from "../training/features.js";

/** @typedef {import("./tiles.js").Tile} Tile */

const REDRAWN_MS = 250;

/** How far the run is, and what can be done with it. @returns {Tile} */
export function runTile() {
  const root = h("div");
  /** @type {import("./tiles.js").Body | null} */
  let shown = null;
  const draw = async () => renew(root, shown ? runCard(shown.run, null) : card("Run", null, h("p", { class: "muted" }, `${noRunWords()}.`)));
  const soon = debounced(draw, REDRAWN_MS);
  return {
    root,
    load: ({ found }) => {
      shown = found;
      return draw();
    },
    event: ({ kind }) => kind === "training.progress" && soon(),
  };
}

/** The importance of the features of the bucket that was trained last. @returns {Tile} */
export function featuresTile() {
  const body = h("div"), root = card("Feature importance", null, body);
  return {
    root,
    load: async ({ overview }) => {
      const trained = overview.buckets.filter((/** @type {any} */ one) => one.row?.state === "done").sort((/** @type {any} */ one, /** @type {any} */ other) => other.row.ended - one.row.ended);
      for (const { run, bucket } of trained) {
        const { buckets, unit } = await get(`/api/runs/${run}/features`);
        const mine = buckets.find((/** @type {any} */ one) => one.bucket === bucket);
        if (mine) return replace(body, h("h3", {}, `${bucket}, run ${run}`), importanceBars(mine.features, unit, bucketColour(bucket)));
      }
      replace(body, h("p", { class: "muted" }, "Not known yet: it is measured when a bucket's training is done."));
    },
  };
}

/** What needs attention. @returns {Tile} */
export function alertsTile() {
  const body = h("div"), root = card("Alerts", null, body);
  return { root, load: async ({ overview }) => replace(body, alertList(overview.alerts)) };
}
