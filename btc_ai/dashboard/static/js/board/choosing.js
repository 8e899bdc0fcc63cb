// Which tiles the board shows, and in what order.

import { h, replace } from "../dom.js";
import { ask } from "../feedback.js";

/**
 * Ask for the tiles.
 * @param {Map<string, [string, unknown]>} known @param {string[]} shown @param {(chosen: string[]) => void} chosen
 */
export function askForTiles(known, shown, chosen) {
  const on = new Set(shown);
  let order = [...shown, ...[...known.keys()].filter((key) => !on.has(key))];
  const list = h("ol", { class: "tilelist" });
  const move = (/** @type {string} */ key, /** @type {number} */ step) => {
    const at = order.indexOf(key), to = at + step;
    if (to < 0 || to >= order.length) return;
    order = order.with(at, order[to]).with(to, key);
    draw();
    /** @type {HTMLElement | undefined | null} */ (list.children[to]?.querySelector(step < 0 ? "[data-up]" : "[data-down]"))?.focus();
  };
  const draw = () => replace(list, order.map((key) => {
    const name = known.get(key)?.[0] ?? key;
    const box = h("input", { type: "checkbox", checked: on.has(key), onchange: () => (on.has(key) ? on.delete(key) : on.add(key)) });
    return h("li", {}, h("label", { class: "check" }, box, name),
      h("button", { type: "button", class: "quiet", "data-up": true, "aria-label": `${name} further up`, onclick: () => move(key, -1) }, "↑"),
      h("button", { type: "button", class: "quiet", "data-down": true, "aria-label": `${name} further down`, onclick: () => move(key, 1) }, "↓"));
  }));
  draw();
  ask("Tiles of the board", list, "Show these", async () => {
    const wanted = order.filter((key) => on.has(key));
    if (wanted.length === 0) throw new Error("Choose at least one tile");
    chosen(wanted);
  });
}
