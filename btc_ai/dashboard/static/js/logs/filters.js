// What of the log is shown: level, source, run, and a search. All of it stands in the address.

import { h, replace } from "../dom.js";
import { change, value } from "../address.js";

const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
const TYPED_MS = 350;
const REPEATS = /[*+?}]/g;

export class Filters {
  /** @param {HTMLElement} beside what stands beside the search */
  constructor(beside) {
    this.timer = 0;
    /** @type {HTMLSelectElement} */
    this.level = h("select", { name: "level", onchange: () => this.changed() },
      h("option", { value: "" }, "every level"), LEVELS.slice(1).map((one) => h("option", { value: one }, one === "CRITICAL" ? one : `${one} and worse`)));
    /** @type {HTMLSelectElement} */
    this.source = h("select", { name: "source", onchange: () => this.changed() }, h("option", { value: "" }, "everything"));
    this.run = this.input("run", "every run", 12);
    this.search = this.input("grep", "letter case ignored", 20);
    this.regex = h("button", { type: "button", class: "mono", "aria-label": "Regular expression", title: "Take the search for a regular expression", "aria-pressed": "false", onclick: () => {
      this.regular = !this.regular;
      this.changed();
    } }, ".*");
    this.wrong = h("span", { class: "wrong", id: "grep-wrong", role: "alert" });
    this.root = h("form", { class: "toolbar", role: "search", onsubmit: (/** @type {Event} */ event) => {
      event.preventDefault();
      this.changed();
    } }, field("Level", this.level), field("Source", this.source), field("Run", this.run),
    h("div", { class: "wide" }, h("div", { class: "searching" }, field("Search", this.search), this.regex, beside), this.wrong));
  }

  get regular() {
    return this.regex.getAttribute("aria-pressed") === "true";
  }

  set regular(wanted) {
    this.regex.setAttribute("aria-pressed", String(wanted));
  }

  /** @param {string} name @param {string} placeholder @param {number} size */
  input(name, placeholder, size) {
    return h("input", { type: "search", name, placeholder, size, spellcheck: "false", autocomplete: "off", oninput: () => {
      clearTimeout(this.timer);
      this.timer = window.setTimeout(() => this.changed(), TYPED_MS);
    } });
  }

  changed() {
    clearTimeout(this.timer);
    this.timer = 0;
    change({ level: this.level.value, source: this.source.value, run: this.run.value.trim(), grep: this.search.value, regex: this.regular, t: null });
  }

  /** What the address asks for; the controls show it. */
  read() {
    this.level.value = value("level");
    const filter = { level: value("level") || LEVELS[0], source: value("source"), run: value("run"), grep: value("grep"), ...(value("regex") && { regex: true }) };
    this.regular = Boolean(value("regex"));
    this.select(filter.source);
    for (const [input, text] of /** @type {const} */ ([[this.run, filter.run], [this.search, filter.grep]])) {
      if (input.value.trim() !== text && !this.timer) input.value = text;
    }
    return filter;
  }

  /** Whether anything is left out. */
  active() {
    return ["level", "source", "run", "grep"].some((name) => value(name));
  }

  /** Sources to choose from. @param {string[]} names */
  offer(names) {
    replace(this.source, h("option", { value: "" }, "everything"), names.map((one) => h("option", { value: one }, one)));
    this.select(value("source"));
  }

  /** @param {string} source */
  select(source) {
    if (![...this.source.options].some((one) => one.value === source)) this.source.append(h("option", { value: source }, source));
    this.source.value = source;
  }

  /** Why the search is none; "" where it is one. @param {string} text */
  refuse(text) {
    replace(this.wrong, text);
    this.search.setAttribute("aria-invalid", String(Boolean(text)));
    this.search.setAttribute("aria-describedby", text ? this.wrong.id : "");
  }

  /** What is searched for, to be marked; not where a browser, which steps back, could take for ever. @returns {RegExp | null} */
  marked() {
    const text = value("grep");
    if (!text) return null;
    if (!this.regular) return new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "gi");
    try {
      return (text.match(REPEATS) ?? []).length > 1 ? null : new RegExp(text, "gim");
    } catch {
      return null;  // the server's expressions are of another syntax
    }
  }

  close() {
    clearTimeout(this.timer);
  }

  focus() {
    this.search.focus();
    this.search.select();
  }
}

/** @param {string} text @param {HTMLElement} input */
function field(text, input) {
  return h("label", { class: "field" }, text, input);
}
