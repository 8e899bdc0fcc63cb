// A tile of what was handed from bucket to bucket.

import { card, h, replace } from "../dom.js";
import { get } from "../api.js";
import { graphOf, transferGraph } from "../transfer/graph.js";

const OF_GRAPH = 50;

/** @returns {import("./tiles.js").Tile} */
export function transfersTile() {
  const body = h("div"), root = card("Knowledge transfer", [h("span", { class: "muted small" }, "the newest between any two, of every run"), h("a", { class: "small", href: "/transfer" }, "ledger")], body);
  root.dataset.whole = "";
  return {
    root,
    load: async ({ overview }) => {
      const { transfers } = await get("/api/transfers", { limit: OF_GRAPH });
      replace(body, transfers.length ? transferGraph(graphOf(overview, transfers)) : h("p", { class: "muted" }, "Nothing has been handed on yet."));
    },
  };
}
