// Updates: ask the server, show what is new, install it, follow that, and the way back.

import { card, h, progress, replace, table } from "./dom.js";
import { duration, moment, size } from "./format.js";
import { ApiError, command, greeting } from "./api.js";
import { action, ask } from "./feedback.js";

/** @typedef {Record<string, any>} Body */

const MIB = 1 << 20;

/** What is asked, answered and done about updates; `check` asks the server, `load` shows what is known here, `event` hears how far an update is. */
export function updates() {
  const answer = h("div", { role: "status", class: "stack" }), course = h("div", { class: "stack" });
  const here = h("div", { class: "row small" }), past = h("div"), before = h("details", { hidden: true }, h("summary", {}, "What was tried before"), past);
  /** The release that the answer was for. */
  let asked = "";
  const check = async () => {
    asked = greeting().version;
    replace(answer, h("p", { class: "muted" }, "Asking …"));
    replace(answer, ...await answered());
  };
  const tell = (/** @type {Body} */ body) => replace(course, note(body.text, { good: "good", back: "bad", failed: "bad" }[String(body.outcome)] ?? "neutral"));
  const look = async () => {
    const known = greeting().mode === "daemon" ? await command("update.status").catch(() => null) : null;
    const { history } = known ? await command("update.history") : { history: [] };
    if (known?.installation && course.childElementCount) tell(known.installation);
    replace(here, known?.kind === "slots" && releases(known));
    replace(past, tried(history));
    before.hidden = history.length === 0;
  };
  const root = card("Updates", null, h("div", { class: "stack" },
    h("div", { class: "row" }, action("Check for Updates", check, { class: "primary", id: "check" }), h("a", { href: "/settings?section=UPDATE_SYSTEM" }, "update settings")),
    answer, course, here, before, h("p", { class: "muted small" }, "No server is asked until you check, or the update settings say so.")));
  return {
    root, check,
    asked: () => asked !== "",
    load: async () => {
      if (asked && asked !== greeting().version) await check();  // another release serves this page now
      await look();
    },
    /** @param {Body} event */
    event: ({ kind, body }) => {
      if (kind === "update.progress") replace(course, downloading(body));
      else if (kind === "update.state") {
        tell(body);
        if (body.outcome) void look();
      }
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
  const begin = (/** @type {"download" | "install"} */ verb) => async () => { await command(`update.${verb}`, { version: found.version }); };
  const fetched = found.staged ? "It is downloaded already." : `${size(found.lacking / MIB)} are to be fetched.`;
  return [...notes(found), note(`${found.version} is there; you have ${greeting().version}. ${fetched}`, "warning"),
    ...found.news.map((/** @type {Body} */ one) => h("details", { open: one.version === found.version }, h("summary", {}, `What is new in ${one.version} of ${one.released}`), h("pre", { class: "small changelog" }, one.changelog.trim()))),
    h("p", { class: "muted small" }, "What is in training is checkpointed and goes on. A release that does not do is undone by itself."), h("div", { class: "row" }, action(`Install ${found.version}`, begin("install"), { id: "install" }), !found.staged && action("Download only", begin("download")))];
}

/** The releases that are here; each that was not given up can be gone back to. @param {Body} known */
function releases({ current, releases: all, bad }) {
  const others = all.filter((/** @type {string} */ one) => one !== current && !(one in bad));
  const back = (/** @type {string} */ version) => action(`Go back to ${version} …`, async () => {
    ask(`Go back to ${version}`, h("p", {}, "It is tried on copies of what is stored; then the daemon is restarted with it. What is in training is checkpointed and goes on."),
      "Go back", () => command("update.rollback", { version }));
  });
  return others.length > 0 && [h("span", { class: "muted" }, `Also here, beside ${current}:`), others.map(back)];
}

/** What was tried, newest first. @param {Body[]} rows */
function tried(rows) {
  return table("Updates", [
    ["time", (row) => moment(row.time)], ["release", (row) => `${row.from ?? "nothing"} → ${row.to}`], ["what", (row) => row.reason ? `${row.what}: ${row.reason}` : row.what],
  ], rows);
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
