// Updates: ask the server, show what is new, install it, and follow that.

import { card, h, progress, replace } from "./dom.js";
import { duration, size } from "./format.js";
import { ApiError, command, greeting } from "./api.js";
import { action } from "./feedback.js";

/** @typedef {Record<string, any>} Body */

const MIB = 1 << 20;

/** What is asked, answered and done about updates; `check` asks, `event` hears how far an update is. */
export function updates() {
  const answer = h("div", { role: "status", class: "stack" }), course = h("div", { class: "stack" });
  const check = async () => {
    replace(answer, h("p", { class: "muted" }, "Asking …"));
    replace(answer, ...await answered());
  };
  const root = card("Updates", null, h("div", { class: "stack" },
    h("div", { class: "row" }, action("Check for Updates", check, { class: "primary", id: "check" }), h("a", { href: "/settings?section=UPDATE_SYSTEM" }, "update settings")),
    answer, course, h("p", { class: "muted small" }, "No server is asked until you check, or the update settings say so.")));
  return {
    root, check,
    asked: () => answer.childElementCount > 0,
    /** @param {Body} event */
    event: ({ kind, body }) => {
      if (kind === "update.progress") replace(course, downloading(body));
      else if (kind === "update.state") replace(course, note(body.text, { good: "good", back: "bad", failed: "bad" }[String(body.outcome)] ?? "neutral"));
    },
  };
}

/** @returns {Promise<HTMLElement[]>} */
async function answered() {
  try {
    const found = await command("update.check");
    return found.version ? offered(found) : [...notes(found), note(`${found.current} is the newest that suits.`, "good")];
  } catch (error) {
    if (error instanceof ApiError && error.code === "unknown_kind") return [note("The daemon has no update service: enable the plugin update.", "neutral")];
    return [note(error instanceof Error ? error.message : String(error), "bad")];
  }
}

/** @param {Body} found */
function offered(found) {
  const install = async () => { await command("update.install", { version: found.version }); };
  const fetched = found.staged ? "It is downloaded already." : `${size(found.lacking / MIB)} are to be fetched.`;
  return [...notes(found), note(`${found.version} is there; you have ${greeting().version}. ${fetched}`, "warning"),
    ...found.news.map((/** @type {Body} */ one) => h("details", { open: one.version === found.version }, h("summary", {}, `What is new in ${one.version} of ${one.released}`), h("pre", { class: "small changelog" }, one.changelog.trim()))),
    h("p", { class: "muted small" }, "What is in training is checkpointed and goes on. A release that does not do is undone by itself."), action(`Install ${found.version}`, install, { id: "install" })];
}

/** @param {Body} found @returns {HTMLElement[]} */
function notes(found) {
  return found.notes.map((/** @type {string} */ text) => note(text, "neutral"));
}

/** @param {string} text @param {string} level */
function note(text, level) {
  return h("p", { class: "note", "data-level": level }, text);
}

/** @param {Body} body */
function downloading({ bytes, total, rate, eta }) {
  const left = eta === null ? "" : `, ${duration(eta)} left`;
  return [h("p", { class: "small" }, `${size(bytes / MIB)} of ${size(total / MIB)}, ${size(rate / MIB)}/s${left}`), progress(total ? bytes / total : 0, "download of the update")];
}
