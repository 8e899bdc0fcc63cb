// An address at which there is no page.

import { empty, h, replace } from "../dom.js";

const NOTHING = "There is no such page";

/** @param {HTMLElement} root @returns {import("../shell.js").View} */
export function open(root) {
  const load = async () => replace(root, h("h1", { class: "visually-hidden" }, "No such page"),
    empty("There is no such page", `Nothing is at ${decoded(location.pathname)} in this dashboard.`, h("a", { class: "button", href: "/overview" }, "Go to the overview")));
  return { load, exports: { csv: NOTHING, json: NOTHING, png: NOTHING } };
}

/** @param {string} path */
function decoded(path) {
  try {
    return decodeURIComponent(path).slice(0, 100);
  } catch {
    return path.slice(0, 100);
  }
}
