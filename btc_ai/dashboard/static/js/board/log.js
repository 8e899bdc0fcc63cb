// A tile of the newest log lines.

import { card, h, replace } from "../dom.js";
import { get } from "../api.js";
import { moment } from "../format.js";
import { Seam } from "../logs/seam.js";

const LINES = 14;
const LEVEL = "INFO";

/** @returns {import("./tiles.js").Tile} */
export function logTile() {
  const list = h("ol", { class: "lines" });
  /** @type {import("../live.js").Live | null} */
  let live = null;
  /** @type {Record<string, any>[]} */
  let lines = [];
  const draw = () => replace(list, lines.length ? lines.map((one) => h("li", { "data-level": one.level },
    h("time", { class: "muted" }, moment(one.time).slice(11)), ` ${one.text}`)) : h("li", { class: "muted" }, "Nothing was logged in the last days."));
  const seam = new Seam();
  const take = (/** @type {Event} */ event) => {
    lines = [...lines, ...seam.pass(/** @type {CustomEvent} */ (event).detail)].slice(-LINES);
    draw();
  };
  return {
    root: card("Log", h("a", { class: "small", href: "/logs" }, "all of it"), list),
    load: async (context) => {
      if (!live) {
        live = context.live;
        live.addEventListener("log", take);
        live.follow({ level: LEVEL });
      }
      seam.open();
      try {
        const { records } = await get("/api/logs", { limit: LINES, level: LEVEL });
        lines = [...records, ...seam.close(records)].slice(-LINES);
        draw();
      } finally {
        seam.close(null);
      }
    },
    close: () => {
      live?.removeEventListener("log", take);
      live?.follow(null);
    },
  };
}
