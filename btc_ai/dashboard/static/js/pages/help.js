// Help: about, updates, commands, keys, and what to do when something is amiss.

import { card, h, replace } from "../dom.js";
import { duration } from "../format.js";
import { get, greeting } from "../api.js";
import { value } from "../address.js";
import { updates } from "../updates.js";

/** @typedef {Record<string, any>} Body */
/** @typedef {import("../dom.js").Child} Child */

/** The guide's commands, and what they are called now. @type {[string, string][]} */
const COMMANDS = [
  ["btc-ai train --sequence Scalping Short Medium Long --episodes 100", "Progressive training"],
  ["btc-ai train --resume --bucket Medium", "Go on with one bucket"],
  ["btc-ai train --no-transfer", "Without knowledge transfer"],
  ["btc-ai transfer --from Scalping --to Short", "Carry knowledge from one bucket to another"],
  ["btc-ai monitor --models-dir Models --update-interval 10", "This dashboard"],
  ["btc-ai logs --level ERROR --days 7", "The logs"],
  ["btc-ai doctor", "Look for what is amiss"],
];
/** @type {[string, string][]} */
const KEYS = [
  ["Tab, Enter", "go through menus, tabs and controls"],
  ["← → Page Up Page Down Home End", "on a chart: read points, the cursor of all charts goes along"],
  ["+ −  Escape", "on a chart: nearer, farther, all of it"],
  ["drag, double-click", "on a chart: look closer, all of it"],
  ["↑ ↓ Space Enter", "in the logs: choose a line, open it, set the time cursor of all charts"],
  ["/   f", "in the logs: search; pause or follow"],
];
/** The guide's troubleshooting, a line each. @type {[string, Child[]][]} */
const TROUBLES = [
  ["Out of memory", [
    ["Reduce BATCH_SIZE in the ", link("/settings?section=TRAINING", "training parameters")],
    ["Disable some kinds of ", link("/settings?section=KNOWLEDGE_TRANSFER", "knowledge transfer")],
    "Train fewer buckets at once", ["See that nothing else uses the GPU: ", link("/system", "System Metrics")]]],
  ["Poor transfers", [
    ["See that the source bucket was trained well: ", link("/training", "Training Progress")],
    "Transfer only some kinds: Training, Transfer knowledge", "Train the source for more episodes",
    ["Look for great differences between ", link("/settings?section=BUCKET_CONFIGS", "the buckets")]]],
  ["The dashboard", [
    ["See that training writes its ", link("/logs", "logs")], ["Check who may read the models folder: ", h("code", {}, "btc-ai doctor")],
    ["Let it log more: ", h("code", {}, "btc-ai logs level DEBUG")], "Check that models are saved where they are looked for: About, on this page"]],
];

const NOT_EXPORTED = "Help measures nothing that could be exported";

/** @param {string} href @param {string} text */
function link(href, text) {
  return h("a", { href }, text);
}

/** @param {HTMLElement} root @returns {import("../shell.js").View} */
export function open(root) {
  const update = updates();
  return {
    event: update.event,
    exports: { csv: NOT_EXPORTED, json: NOT_EXPORTED, png: NOT_EXPORTED },
    load: async (fresh) => {
      if (fresh) {
        replace(root, h("div", { class: "stack" }, h("h1", { class: "visually-hidden" }, "Help"),
          h("div", { class: "grid", "data-least": "wide" }, about(), update.root, links((await get("/api/reports")).reports)),
          h("div", { class: "grid", "data-least": "wide" }, pairs("Commands", COMMANDS, "code"), pairs("Keys", KEYS, "kbd")),
          card("Troubleshooting", null, h("div", { class: "grid", "data-least": "wide" }, TROUBLES.map(trouble)))));
      }
      if (fresh) await update.load();
      if (value("check") && !update.asked()) void update.check();
    },
  };
}

function about() {
  const { version, boot, mode, models_dir: models, config_file: config, log_dir: logs } = greeting();
  return card("About BTC-AI", null, h("dl", { class: "facts" }, fact("Version", version), fact("Shows", mode === "daemon" ? "a daemon, live" : "a models folder as it lies; no daemon is heard"),
    fact("Models", h("code", {}, models)), fact("Configuration", config ? h("code", {}, config) : "none: all is as built in"), fact("Logs", h("code", {}, logs)), fact("This server", h("code", {}, boot)),
    fact("Licence", "Apache 2.0"), fact("Charts", ["uPlot, MIT: ", h("a", { href: "/static/built/uPlot.LICENSE", target: "_blank" }, "its licence")])));
}

/** @param {string} name @param {Child} text */
function fact(name, text) {
  return [h("dt", {}, name), h("dd", {}, text)];
}

/** @param {Body[]} made */
function links(made) {
  const age = (/** @type {number} */ time) => `${duration(Date.now() / 1000 - time)} ago`;
  return card("Look at", null, h("ul", { class: "plain" }, h("li", {}, link("/logs", "View Logs")), h("li", {}, link("/logs?level=ERROR", "Errors alone")), h("li", {}, link("/settings", "Settings"))),
    h("h3", { class: "part" }, "Reports"), made.length ? h("ul", { class: "plain" }, made.slice(0, 8).map((one) => h("li", {}, h("a", { href: one.url, target: "_blank" }, one.name), h("span", { class: "muted small" }, ` ${age(one.time)}`))))
      : h("p", { class: "muted small" }, "None yet: Generate Report makes one."));
}

/** @param {string} title @param {[string, string][]} rows @param {"code" | "kbd"} tag */
function pairs(title, rows, tag) {
  return card(title, null, h("dl", { class: "facts pairs" }, rows.map(([one, text]) => [h("dt", {}, h(tag, {}, one)), h("dd", {}, text)])));
}

/** @param {[string, Child[]]} trouble */
function trouble([title, lines]) {
  return h("section", {}, h("h3", {}, title), h("ol", {}, lines.map((one) => h("li", {}, one))));
}
