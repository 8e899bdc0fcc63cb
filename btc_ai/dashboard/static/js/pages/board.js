// Combined: several views beside one another; which, the address says, and this browser remembers.

import { arrange, empty, h, replace } from "../dom.js";
import { address, find, get, greeting } from "../api.js";
import { download } from "../feedback.js";
import { change, value, values } from "../address.js";
import { debounced } from "../later.js";
import * as runs from "../runs.js";
import { askForTiles } from "../board/choosing.js";
import { knownTiles, usualTiles } from "../board/tiles.js";
import { noRunWords, noSuchRun, originWords } from "../training/details.js";

/** @typedef {Record<string, any>} Body */
/** @typedef {import("../board/tiles.js").Tile} Tile */

const REMEMBERED = "board";

/** @param {HTMLElement} root @param {import("../live.js").Live} live @returns {import("../shell.js").View} */
export function open(root, live) {
  return new Board(root, live);
}

class Board {
  /** @param {HTMLElement} root @param {import("../live.js").Live} live */
  constructor(root, live) {
    this.root = root;
    this.live = live;
    /** @type {Map<string, Tile>} */
    this.tiles = new Map();
    /** @type {Body | null} */
    this.found = null;
    /** @type {Body} */
    this.overview = {};
    this.loaded = "";
    this.head = h("div", { class: "row spread" });
    this.grid = h("div", { class: "grid wide" });
    this.soon = debounced(() => this.load(true));
    /** @type {import("../exporting.js").Exports} */
    this.exports = { csv: () => this.export("csv"), json: () => this.export("json"), png: () => root, lacking: (form) => this.lacking(form), caption: () => this.caption() };
  }

  close() {
    for (const tile of this.tiles.values()) tile.close?.();
    this.tiles.clear();
  }

  /** The tiles of the address, or those of last time. */
  wanted() {
    const known = knownTiles(), there = (/** @type {string[]} */ names) => names.filter((name) => known.has(name));
    const asked = there(values("tiles")), kept = there((localStorage.getItem(REMEMBERED) ?? "").split(","));
    return asked.length ? asked : kept.length ? kept : usualTiles();
  }

  /** @param {boolean} fresh */
  async load(fresh) {
    const asked = value("run") || "latest";
    if (fresh || this.loaded !== asked) {
      const [overview, run] = await Promise.all([get("/api/overview"), find(`/api/runs/${encodeURIComponent(asked)}`)]);
      Object.assign(this, { found: run, overview, loaded: asked });
      fresh = true;
    }
    if (this.found === null) return this.nothing();
    const made = this.layOut();
    const context = { live: this.live, overview: this.overview, found: this.found };
    await Promise.all([...this.tiles].filter(([key]) => fresh || made.includes(key)).map(([, tile]) => tile.load(context)));
  }

  /** Have just the tiles that are wanted, in order; answers which are new. */
  layOut() {
    const wanted = this.wanted(), known = knownTiles(), made = wanted.filter((key) => !this.tiles.has(key));
    for (const [key, tile] of this.tiles) {
      if (wanted.includes(key)) continue;
      tile.close?.();
      this.tiles.delete(key);
    }
    for (const key of made) this.tiles.set(key, /** @type {[string, () => Tile]} */ (known.get(key))[1]());
    replace(this.head, h("p", { class: "muted" }, "Run ", h("a", { class: "mono", href: `/training?run=${this.found?.run.run}` }, this.found?.run.run)),
      h("button", { type: "button", id: "tiles", onclick: () => askForTiles(known, this.wanted(), keep) }, "Tiles …"));
    arrange(this.grid, wanted.map((key) => /** @type {Tile} */ (this.tiles.get(key)).root));
    if (!this.root.contains(this.grid)) replace(this.root, h("div", { class: "stack" }, h("h1", { class: "visually-hidden" }, "Combined"), this.head, this.grid));
    return made;
  }

  nothing() {
    this.close();
    replace(this.root, h("h1", { class: "visually-hidden" }, "Combined"), value("run") ? noSuchRun(value("run"), "/board") : empty(noRunWords(), "The board shows a run, the machine and the log beside one another.",
      runs.doing("Start progressive training", runs.askToStart, { class: "primary" })));
  }

  /** @param {Body} event */
  event(event) {
    const { kind, body } = event;
    if (/^(training\.(run|memory|diverged)|transfer\.verdict|monitoring\.alert|folder\.changed)$/.test(kind)) return this.soon();
    if (kind === "training.progress" && this.found && body.run === this.found.run.run) {
      const row = this.found.run.buckets[body.position];
      if (row?.episode === 0) return this.soon();  // its first episode: it has no line yet
      Object.assign(row ?? {}, { episode: body.episode, eta_s: body.eta_s });
    }
    for (const tile of this.tiles.values()) tile.event?.(event);
  }

  /** The buckets that have curves. @returns {Body[]} */
  get begun() {
    return this.found?.run.buckets.filter((/** @type {Body} */ row) => row.episode > 0) ?? [];
  }

  /** @param {import("../exporting.js").Form} form */
  lacking(form) {
    if (this.found === null) return "there is no run";
    return form === "png" || this.begun.length ? "" : `run ${this.found.run.run} has no episode yet`;
  }

  /** The curves of every bucket that has any. @param {"csv" | "json"} form */
  export(form) {
    for (const row of this.begun) {
      download(address(`/api/runs/${row.run}/curves.${form}`, { position: row.position, names: greeting().metrics.join(",") }));
    }
  }

  caption() {
    return `run ${this.found?.run.run}, ${originWords(this.found)}`;
  }
}

/** @param {string[]} tiles */
function keep(tiles) {
  localStorage.setItem(REMEMBERED, tiles.join(","));
  change({ tiles }, { remember: true });
}
