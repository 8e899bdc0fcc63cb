// The plugins: what became of each, and whether it is to run.

import { card, h, pill, table } from "../dom.js";
import { levelOf } from "../format.js";
import { ApiError, command, get, greeting } from "../api.js";
import { action, toast } from "../feedback.js";

/** @typedef {Record<string, any>} Body */

/** @param {() => Promise<unknown>} again after one was switched */
export async function pluginList(again) {
  if (greeting().mode === "folder") return card("Plugins", null, h("p", { class: "muted" }, "Plugins run in the daemon, and none is heard: the models folder is shown as it lies."));
  /** @type {Body[]} */
  let plugins;
  try {
    ({ plugins } = await get("/api/plugins"));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return card("Installed plugins", null, h("p", { class: "note", "data-level": "warning" }, `The daemon cannot be asked: ${error.message}`), action("Ask again", again));
  }
  const toggle = (/** @type {Body} */ one) => {
    const verb = one.state === "disabled" ? "enable" : "disable";
    return action(verb === "enable" ? "Enable" : "Disable", async () => {
      await command(`daemon.${verb}`, { plugin: one.name });
      toast(`${one.name} is ${verb}d`);
      await again();
    }, { "aria-label": `${verb} ${one.name}` });
  };
  const panels = (/** @type {Body} */ one) => (greeting().panels ?? []).filter((/** @type {Body} */ panel) => panel.plugin === one.name)
    .map((/** @type {Body} */ panel) => h("a", { href: "/board" }, panel.title, " "));
  const where = (/** @type {Body} */ one) => (one.isolation === "process" ? `process ${one.pid ?? ""}` : "the daemon");
  return card("Installed plugins", h("span", { class: "muted small" }, "what became of each"), table("Plugins", [
    ["Name", (one) => one.name], ["Version", (one) => one.version], ["State", (one) => pill(one.state, levelOf(one.state))],
    ["Runs in", where], ["Panels", panels], ["What is amiss", (one) => one.detail || deaths(one.deaths)], ["", toggle],
  ], plugins, undefined, true));
}

/** How often its process has died, by cause. @param {Record<string, number>} found */
function deaths(found) {
  return Object.entries(found ?? {}).map(([cause, count]) => `${cause}: ${count}`).join(", ");
}
