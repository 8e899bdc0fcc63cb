// The plugins: what became of each, and whether it is to run.

import { card, h, pill, table } from "../dom.js";
import { levelOf } from "../format.js";
import { ApiError, command, get, greeting } from "../api.js";
import { action, ask, toast } from "../feedback.js";

/** @typedef {Record<string, any>} Body */

/** What stops with a plugin. @type {Record<string, string>} */
const STOPS = {
  dashboard: "The daemon serves no pages",
  training: "What trains stops at a checkpoint and waits",
  monitoring: "Nothing is measured, and nothing goes into the history",
  evaluation: "Evaluations and audits end",
  study: "Studies stop and wait",
  update: "Nobody looks for updates",
  transfer: "No knowledge is handed from bucket to bucket by command",
  signal: "No predictions are made",
};

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
    const send = async () => {
      await command(`daemon.${verb}`, { plugin: one.name });
      toast(`${one.name} is ${verb}d`);
      await again();
    };
    const named = { "aria-label": `${verb} ${one.name}` };
    if (verb === "enable") return action("Enable", send, named);
    const question = h("p", {}, STOPS[one.name] ?? "What it does stops", ", until it is enabled again or the daemon is restarted.");
    return h("button", { type: "button", ...named, onclick: () => ask(`Disable ${one.name}?`, question, "Disable", send) }, "Disable");
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
