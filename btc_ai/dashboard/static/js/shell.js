// What stands on every page: menus, tabs, the state of the link, and what can be done everywhere.

import { h, pill, replace } from "./dom.js";
import { duration } from "./format.js";
import { ApiError, greeting, get, post, whyMute } from "./api.js";
import { action, notice, save, tellError, toast } from "./feedback.js";
import { recolour } from "./chart.js";
import { FORMS, hand, refusal } from "./exporting.js";
import { PAGES, page, title } from "./address.js";
import * as runs from "./runs.js";

/** @typedef {import("./live.js").Live} Live */
/**
 * @typedef {object} View a page that is shown
 * @property {(fresh: boolean) => Promise<unknown>} load show what the address says; `fresh`: all of it fetched anew
 * @property {(event: Record<string, any>) => void} [event] an event of the bus
 * @property {() => void} [close]
 * @property {import("./exporting.js").Exports} exports
 */

const TABS = /** @type {const} */ (["overview", "training", "transfer", "system", "logs", "board"]);
const SILENT_S = 15;
const REPORT_LOOK_MS = 300;
const LOST = "The dashboard's server does not answer.";

/** @type {Live} */
let live;
/** @type {() => Promise<unknown>} */
let refresh;
/** @type {() => View | null} */
let shown;
const state = h("span", { id: "state" });
const banner = h("div", { class: "banner", role: "alert", hidden: true });
const mute = h("p", { class: "muted small", id: "mute", hidden: true });
const training = h("div", {}, mute,
  item("Progressive Training …", runs.askToStart), item("Resume a bucket …", runs.askToResume, { "data-verb": "resume" }),
  item("Transfer knowledge …", runs.askToTransfer), item("Pause", () => runs.steer("pause"), { "data-verb": "pause" }),
  item("Continue", () => runs.steer("continue"), { "data-verb": "continue" }), item("Stop", () => runs.steer("stop"), { "data-verb": "stop" }));
const tabs = h("nav", { class: "tabs", "aria-label": "Pages" });
const exporting = menu("Export");
/** @type {HTMLButtonElement} */
let watching;

/** @param {Live} given @param {() => Promise<unknown>} refreshing @param {() => View | null} showing */
export function build(given, refreshing, showing) {
  [live, refresh, shown] = [given, refreshing, showing];
  watching = h("button", { type: "button", id: "watching", onclick: toggle });
  const shell = /** @type {HTMLElement} */ (document.getElementById("shell"));
  replace(shell, h("header", { class: "topbar" },
    h("a", { class: "brand", href: "/overview" }, h("img", { src: "/static/icon.svg", alt: "" }), "BTC-AI"),
    h("nav", { class: "menus", "aria-label": "Menu" }, h("details", { class: "menu" }, h("summary", {}, "Training"), training), monitoringMenu(), h("a", { href: "/settings" }, "Settings"), helpMenu()),
    h("div", { class: "controls" }, state, watching,
      action("Refresh Now", refresh, { id: "refresh" }), action("Generate Report", report, { id: "report" }),
      exporting, themeButton())), banner, tabs);
  for (const menu of shell.querySelectorAll("details")) closeOutside(menu);
  training.parentElement?.addEventListener("toggle", () => void runs.look().then(tellMute, () => {}));
  live.addEventListener("state", tell);
  live.addEventListener("event", (event) => {
    const { kind, body } = /** @type {CustomEvent} */ (event).detail;
    if (kind === "training.run") tellMute();
    if (kind === "update.available") toast(`BTC-AI ${body.version} is there: ${body.todo}`);
  });
  setInterval(tell, 1000);
  navigate();
  tell();
}

/** The tabs, after the page has changed. */
export function navigate() {
  const current = page();
  document.title = `${title()} · BTC-AI`;
  replace(tabs, TABS.map((name) => h("a", { href: `/${name}`, "aria-current": current === name && "page" }, PAGES[name])));
  offerExports();
  const here = /** @type {HTMLElement | null} */ (tabs.querySelector("[aria-current]"));
  if (here) tabs.scrollLeft = here.offsetLeft - tabs.offsetLeft - (tabs.clientWidth - here.offsetWidth) / 2;  // `scrollIntoView` would have Tab go on from there
  for (const menu of document.querySelectorAll("details.menu")) menu.removeAttribute("open");
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();  // it was of the page before
}

function toggle() {
  if (live.watching) live.stop();
  else {
    live.start();
    void refresh().catch(tellError);
  }
}

/** Words for the link: whether news come, how old the newest is, and whose silence it is. */
function tell() {
  watching.textContent = live.watching ? "Stop Watching" : "Start Watching";
  watching.setAttribute("aria-pressed", String(live.watching));
  replace(state, pill(...linkWords()));
  tellMute();
  const problem = problemWords();
  banner.hidden = problem === "";
  if (banner.textContent !== problem) banner.textContent = problem;
}

/** The menu Training has nobody to speak to where no daemon of this models folder is heard, and waits while a run is about to stop; it says so. */
function tellMute() {
  const silence = isLost() ? LOST : whyMute(live.link ?? greeting().link);
  runs.hush(silence);
  if (mute.textContent !== silence) mute.textContent = silence;
  mute.hidden = silence === "";
  for (const one of training.querySelectorAll("button")) {
    const verb = /** @type {runs.Verb | undefined} */ (one.dataset.verb);
    runs.bar(one, silence || (verb ? runs.hindrance(verb) : ""));
  }
}

/** @returns {[string, string, string?]} */
function linkWords() {
  if (live.state === "stopped") return ["not watching", "neutral"];
  if (live.state !== "open") return ["connecting …", "warning"];
  if (!live.link?.connected) return [live.link?.other ? "daemon elsewhere" : "no daemon", live.link?.lost ? "bad" : "neutral", `the models folder is shown: ${live.link?.text}`];
  const age = live.heard === null ? null : Date.now() / 1000 - live.heard;
  if (age === null) return ["live", "live"];
  const limit = Math.max(SILENT_S, 3 * (greeting().update_interval ?? 5));
  return age > limit ? [`bus silent for ${duration(age)}`, "warning"] : [`live · ${age < 1.5 ? "now" : `${Math.round(age)} s ago`}`, "live"];
}

function isLost() {
  return live.state === "waiting" || (live.state === "connecting" && live.tries > 0);
}

function problemWords() {
  if (isLost()) return `${LOST} What is shown is what was; it goes on by itself when the server is back.`;
  if (live.state === "open" && live.link?.lost) {
    return `The daemon does not answer: ${live.link.text || "it may be restarting"}. The models folder is shown as it lies; the page goes on by itself when a daemon is back.`;
  }
  const { history } = greeting();
  return history && !history.ok ? `The history cannot be read: ${history.text}` : "";
}

/** @param {string} title @param {...(HTMLElement | null)} items */
function menu(title, ...items) {
  return h("details", { class: "menu" }, h("summary", {}, title), h("div", {}, items));
}

/** @param {string} text @param {() => Promise<unknown>} work @param {import("./dom.js").Props} [props] */
function item(text, work, props) {
  return action(text, async () => {
    document.querySelectorAll("details.menu").forEach((one) => one.removeAttribute("open"));
    await work();
  }, props);
}

function monitoringMenu() {
  return menu("Monitoring",
    h("a", { href: "/overview" }, "Launch Training Monitor"), h("a", { href: "/training" }, "Training Progress"),
    h("a", { href: "/transfer" }, "Knowledge Transfer"), h("a", { href: "/system" }, "System Metrics"),
    h("a", { href: "/board" }, "Combined board"), item("Generate Report", report));
}

function helpMenu() {
  return menu("Help",
    h("a", { href: "/help?check=1" }, "Check for Updates"), h("a", { href: "/logs" }, "View Logs"), h("a", { href: "/help" }, "About"));
}

/** What the page can be kept as. */
function offerExports() {
  const view = shown();
  replace(/** @type {Element} */ (exporting.lastElementChild), FORMS.map((form) => {
    const why = refusal(view?.exports, form);
    return item(form.toUpperCase(), async () => view && hand(view.exports, form), { disabled: why !== "", title: why || null });
  }));
}

/** Make a report of the newest run, or that of the page, telling how far it is. */
export async function report() {
  const button = document.getElementById("report");
  const run = new URLSearchParams(location.search).get("run");
  const { report: id } = await post("/api/reports", { run, format: "html" });
  for (;;) {
    const found = await get(`/api/reports/${id}`);
    if (button) button.textContent = found.state === "working" ? `Report ${Math.round(found.share * 100)} %` : "Generate Report";
    if (found.state === "failed") throw new ApiError("failed", found.text);
    if (found.state === "done") {
      return notice("The report is made: ", h("a", { href: found.url, target: "_blank" }, found.url.split("/").at(-1)));
    }
    await new Promise((done) => setTimeout(done, REPORT_LOOK_MS));
  }
}

/** The theme that was chosen, or the machine's. */
export function applyTheme() {
  const chosen = localStorage.getItem("theme") ?? "auto";
  const dark = chosen === "dark" || (chosen === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

function themeButton() {
  const words = () => `Theme: ${localStorage.getItem("theme") ?? "auto"}`;
  /** @type {HTMLButtonElement} */
  const button = h("button", { type: "button", class: "quiet", id: "theme", title: words(), "aria-label": words(), onclick: () => {
    const next = { auto: "light", light: "dark", dark: "auto" }[localStorage.getItem("theme") ?? "auto"] ?? "auto";
    localStorage.setItem("theme", next);
    applyTheme();
    recolour();
    button.title = words();
    button.setAttribute("aria-label", words());
  } }, "◐");
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    applyTheme();
    recolour();
  });
  return button;
}

/** @param {HTMLDetailsElement} details */
function closeOutside(details) {
  document.addEventListener("click", (event) => {
    if (!details.contains(/** @type {Node} */ (event.target))) details.open = false;
  });
  details.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      details.open = false;
      details.querySelector("summary")?.focus();
    }
  });
}
