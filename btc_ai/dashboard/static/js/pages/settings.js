// The settings: a form over the configuration file, which checks and takes the changes.

import { card, empty, h, replace } from "../dom.js";
import { ApiError, get, greet, post } from "../api.js";
import { change, value } from "../address.js";
import { action, saveCsv, saveJson } from "../feedback.js";
import { debounced } from "../later.js";
import { Drafts } from "../settings/drafts.js";
import { pluginList } from "../settings/plugins.js";
import { EFFECTS, setting } from "../settings/setting.js";
import { sectionsOf, typedOf } from "../settings/schema.js";

/** @typedef {Record<string, any>} Body */
/** @typedef {import("../settings/schema.js").Field} Field */
/** @typedef {import("../settings/schema.js").Section} Section */

/** @param {HTMLElement} root @returns {import("../shell.js").View} */
export function open(root) {
  return new Settings(root);
}

class Settings {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.drafts = new Drafts();
    /** @type {Body} */
    this.found = {};
    /** @type {Section[]} */
    this.sections = [];
    /** What the server found wrong, by key. @type {Record<string, string>} */
    this.wrong = {};
    /** @type {HTMLElement | null} */
    this.plugins = null;
    /** What became of the last save; gone once something else is typed or refused. @type {HTMLElement | null} */
    this.told = null;
    this.search = h("input", { type: "search", placeholder: "Search settings", "aria-label": "Search settings", oninput: () => change({ q: this.search.value }) });
    this.nav = h("nav", { "aria-label": "Sections of the settings" });
    this.head = h("div", { class: "stack" });
    this.form = h("form", { class: "stack", onsubmit: (/** @type {Event} */ event) => event.preventDefault() });
    this.bar = h("section", { class: "card savebar", "aria-label": "Changes", hidden: true });
    const again = debounced(() => this.load(false));
    this.event = (/** @type {Body} */ event) => event.kind === "plugin.state" && value("section") === "PLUGINS" && again();
    this.exports = { csv: () => this.saveCsv(), json: () => saveJson("btc-ai-settings.json", this.found.values), png: "Settings are a form; CSV and JSON have what stands in it" };
    replace(root, h("h1", { class: "visually-hidden" }, "Settings"), h("div", { class: "settings" }, h("div", { class: "side" }, this.search, this.nav), h("div", { class: "stack" }, this.head, this.form, this.bar)));
  }

  /** @param {boolean} fresh */
  async load(fresh) {
    if (fresh) await this.fetch();
    if (value("section") === "PLUGINS") this.plugins = await pluginList(() => this.load(true));
    if (this.search.value !== value("q")) this.search.value = value("q");
    this.draw();
  }

  async fetch() {
    this.found = await get("/api/settings");
    this.sections = sectionsOf(this.found.schema, this.found.values);
    replace(this.head, h("p", { class: "muted small" }, this.found.file ? ["File: ", h("code", {}, this.found.file)] : "There is no configuration file yet: all is as built in."),
      !this.found.writable && h("p", { class: "note", "data-level": "warning" }, `These settings can only be read here: ${this.found.why}`));
  }

  get fields() {
    return this.sections.flatMap((one) => one.fields);
  }

  draw() {
    const wanted = value("q").trim().toLowerCase(), name = value("section") || this.sections[0].name;
    const fits = (/** @type {Field} */ field) => `${field.key} ${field.label} ${field.text}`.toLowerCase().includes(wanted);
    const shown = wanted ? this.sections.map((one) => ({ ...one, fields: one.fields.filter(fits) })).filter((one) => one.fields.length)
      : this.sections.filter((one) => one.name === name);
    const changed = new Set(this.drafts.changes(this.fields).map(({ field }) => field.key));
    replace(this.nav, this.sections.map((one) => h("a", { href: `/settings?section=${one.name}`, "aria-current": !wanted && one.name === name && "page" },
      one.title, one.fields.some(({ key }) => changed.has(key)) && h("span", { title: "changed, not saved" }, " •"))));
    replace(this.form, shown.length ? shown.map((one) => this.section(one)) : empty("No setting is like that", "Search by a key, a name, or what it does."));
    this.tell();
  }

  /** @param {Section} section */
  section({ name, title, text, fields }) {
    const parts = [...new Set(fields.map((one) => one.part))];
    const aside = name === "UPDATE_SYSTEM" && h("a", { class: "button", href: "/help?check=1" }, "Check for updates now");
    return [name === "PLUGINS" && !value("q") && this.plugins, card(title, aside, text && h("p", { class: "muted small" }, text),
      fields.length === 0 && h("p", { class: "muted" }, "Nothing is set."),
      parts.map((part) => [part && h("h3", { class: "part" }, part), fields.filter((one) => one.part === part).map((one) => this.line(one))]))];
  }

  /** @param {Field} field */
  line(field) {
    const { key } = field;
    return setting(field, {
      shown: this.drafts.shown(field), changed: key in this.drafts.typed, inFile: this.found.set.includes(key), writable: this.found.writable,
      effect: effectOf(this.found.takes_effect[key]), wrong: this.wrong[key] ?? "",
      onType: (typed) => {
        this.told?.remove();
        this.drafts.type(field, typed);
        delete this.wrong[key];
        if (typed === null) this.draw();
        else this.mark(field);
      },
    });
  }

  /** The line stays as it is while it is typed in; what is around it tells. @param {Field} field */
  mark(field) {
    const line = this.form.querySelector(`[data-key="${CSS.escape(field.key)}"]`), [found] = this.drafts.changes([field]);
    line?.toggleAttribute("data-changed", field.key in this.drafts.typed);
    line?.querySelector("input, select, textarea")?.setAttribute("aria-invalid", String(Boolean(found?.wrong)));
    const wrong = line?.querySelector(".wrong");
    if (wrong) replace(wrong, found?.wrong);
    this.tell();
  }

  /** What would be saved. @param {import("../dom.js").Child} [more] */
  tell(more) {
    const changes = this.drafts.changes(this.fields);
    this.bar.hidden = changes.length === 0 || !this.found.writable;
    if (this.bar.hidden) return;
    const bad = changes.some((one) => one.wrong);
    replace(this.bar, h("h2", {}, `${changes.length} ${changes.length === 1 ? "change" : "changes"}, not saved yet`), h("ul", {}, changes.map((one) => this.changeLine(one))), more,
      h("div", { class: "row" }, action("Save", () => this.save(), { class: "primary", ...(bad && { disabled: true }) }), action("Discard", async () => {
        this.drafts.forget();
        this.wrong = {};
        this.draw();
      })));
  }

  /** @param {import("../settings/drafts.js").Change} change */
  changeLine({ field, value: to, wrong }) {
    const words = (/** @type {unknown} */ one) => String(typedOf(field, one)) || "none", problem = wrong || this.wrong[field.key];
    const section = this.sections.find((one) => one.fields.includes(field))?.name;
    return h("li", {}, h("a", { href: `/settings?section=${section}` }, field.key), ` ${words(field.current)} → ${to === null && !field.nullable ? `default (${words(field.fallback)})` : wrong ? String(to) : words(to)}, `,
      `${effectOf(this.found.takes_effect[field.key])}`, problem && h("span", { class: "wrong" }, ` ${problem}`));
  }

  async save() {
    const changes = Object.fromEntries(this.drafts.changes(this.fields).map(({ field, value: to }) => [field.key, to]));
    try {
      const answer = await post("/api/settings", { changes, sha256: this.found.sha256 });
      this.drafts.forget();
      this.wrong = {};
      await Promise.all([this.fetch(), greet()]);
      this.draw();
      this.told = saved(answer);
      this.head.append(this.told);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.refused(error);
    }
  }

  /** What is in force, not what was typed. */
  saveCsv() {
    const rows = this.fields.map(({ key, current, fallback }) => [key, current, fallback, !this.found.set.includes(key), this.found.takes_effect[key] ?? "next run"]);
    saveCsv("btc-ai-settings.csv", ["key", "value", "default", "is_default", "takes_effect"], rows);
  }

  /** Say why at the fields, or at the changes; what was typed stays. @param {ApiError} error */
  refused(error) {
    this.told?.remove();
    this.wrong = error.fields;
    this.draw();
    const again = action("Look at the file anew, and keep what I typed", () => this.load(true));
    this.tell(h("div", { class: "note", "data-level": "bad", role: "alert" }, h("p", {}, error.code === "conflict"
      ? "Somebody has changed the file since you opened it. Nothing was saved, and nothing that you typed is lost." : error.message), error.code === "conflict" && again));
  }
}

/** @param {string | undefined} name */
function effectOf(name) {
  return EFFECTS[/** @type {"restart"} */ (name)] ?? "from the next run on";
}

/** When what was saved takes effect. @param {Body} answer */
function saved({ applied, next_job: next, restart, problem }) {
  const line = (/** @type {string[]} */ keys, /** @type {string} */ text) => keys.length > 0 && h("p", {}, `${text}: ${keys.join(", ")}`);
  return h("div", { class: "note", "data-level": problem || restart.length ? "warning" : "good", role: "status" }, h("b", {}, "Saved."), line(applied, "In force now"), line(next, "From the next run on"),
    line(restart, "After a restart of the daemon (btc-ai daemon restart)"), problem && h("p", {}, `The daemon did not take it: ${problem}`));
}
