// Begins: greets the server, shows the page of the address, and hands it the news.

import { empty, h, replace } from "./dom.js";
import { greet, greeting } from "./api.js";
import { action, tellError } from "./feedback.js";
import { Live } from "./live.js";
import { NOWHERE, onChange, page } from "./address.js";
import * as runs from "./runs.js";
import * as shell from "./shell.js";

/** @typedef {import("./shell.js").View} View */

const root = /** @type {HTMLElement} */ (document.getElementById("page"));
let place = root;
const live = new Live();
/** @type {View | null} */
let view = null;
/** What was told while no page was there to hear it. @type {Record<string, any>[]} */
let unheard = [];
let name = "";
let opening = 0;
/** How long a page waits to be told what changes before it fetches what there is. */
const PATIENCE_MS = 1000;

/** Each page is fetched when it is first shown. @type {Record<string, () => Promise<{open: (root: HTMLElement, live: Live) => View}>>} */
const pages = {
  overview: () => import("./pages/overview.js"), training: () => import("./pages/training.js"),
  transfer: () => import("./pages/transfer.js"), system: () => import("./pages/system.js"),
  logs: () => import("./pages/logs.js"), board: () => import("./pages/board.js"),
  settings: () => import("./pages/settings.js"), help: () => import("./pages/help.js"),
  [NOWHERE]: () => import("./pages/nowhere.js"),
};

async function show() {
  const wanted = page(), mine = ++opening;
  const opened = wanted !== name;
  document.documentElement.dataset.ready = "false";
  if (opened) {
    const { open } = await pages[wanted]();
    if (mine !== opening) return;
    view?.close?.();
    place = h("div");  // of its own: what the page before fetches late is drawn where nobody sees it
    replace(root, place);
    name = wanted;
    view = open(place, live);
    for (const event of unheard) view.event?.(event);
    unheard = [];
    shell.navigate();
  }
  await load(opened);
  if (mine === opening) document.documentElement.dataset.ready = "true";
}

/** Show the page; what it showed before stays where that fails. @param {boolean} fresh */
async function load(fresh) {
  try {
    await view?.load(fresh);
  } catch (error) {
    if (!place.childElementCount) {
      replace(place, empty("This page cannot be shown", error instanceof Error ? error.message : String(error), action("Try again", show)));
    } else tellError(error);
  }
}

/** @param {Record<string, any>} event */
function hear(event) {
  runs.hear(event);
  if (view) view.event?.(event);
  else unheard.push(event);
}

async function refresh() {
  await greet();
  await load(true);
}

async function begin() {
  shell.applyTheme();
  live.addEventListener("event", (event) => hear(/** @type {CustomEvent} */ (event).detail));
  live.start();
  try {
    await greet();
  } catch (error) {
    live.stop();
    replace(root, empty("BTC-AI's dashboard", error instanceof Error ? error.message : String(error),
      h("button", { type: "button", onclick: () => location.reload() }, "Try again")));
    return;
  }
  shell.build(live, refresh, () => view);
  onChange(() => void show().catch(tellError));
  live.addEventListener("resync", () => void refresh().catch(tellError));
  const late = new Promise((done) => { setTimeout(done, PATIENCE_MS, true); });
  const missed = await Promise.race([live.welcomed, late]);
  if (live.link && live.link.connected !== (greeting().mode === "daemon")) await greet();
  await show();
  if (missed) void live.welcomed.then(refresh).catch(tellError);
}

void begin().catch(tellError);
