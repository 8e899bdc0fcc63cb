// One setting as a line of the form: its name, what it does, its control, and what is wrong with it.

import { h, pill } from "../dom.js";
import { typedOf } from "./schema.js";

/** @typedef {import("./schema.js").Field} Field */
/**
 * @typedef {object} How
 * @property {string | boolean} shown
 * @property {boolean} changed
 * @property {boolean} inFile whether the file has another value than the default
 * @property {boolean} writable
 * @property {string} effect when a change takes effect
 * @property {string} wrong
 * @property {(typed: string | boolean | null) => void} onType null: back to the default
 */

export const EFFECTS = { "at once": "at once", "next run": "from the next run on", restart: "after a restart of the daemon" };

/** @param {Field} field @param {How} how */
export function setting(field, how) {
  const id = `set-${field.key}`, wrong = h("p", { class: "wrong", id: `${id}-wrong`, role: "alert" }, how.wrong);
  const input = control(field, how, { id, disabled: !how.writable, "aria-describedby": `${id}-text ${wrong.id}`, "aria-invalid": how.wrong ? "true" : null });
  const fallback = field.fallback === undefined ? "" : `default ${typedOf(field, field.fallback) === "" ? "none" : String(typedOf(field, field.fallback))}`;
  return h("div", { class: "setting", "data-changed": how.changed, "data-key": field.key },
    h("div", {}, h("label", { for: id }, field.label), h("code", {}, field.key), h("p", { class: "small", id: `${id}-text` }, field.text)),
    h("div", {}, input, wrong, h("p", { class: "small muted row" }, fallback && h("span", { class: "clip" }, fallback), `takes effect ${how.effect}`,
      how.inFile && pill("set in the file"), how.inFile && field.fallback !== undefined && how.writable && h("button", { type: "button", class: "quiet", onclick: () => how.onType(null) }, "Back to default"),
      how.changed && pill("changed", "warning"))));
}

/** @param {Field} field @param {How} how @param {Record<string, unknown>} props */
function control(field, { shown, onType }, props) {
  if (field.kind === "flag") {
    const box = h("input", { ...props, type: "checkbox", checked: shown, onchange: () => onType(box.checked) });
    return box;
  }
  if (field.kind === "choice") {
    const options = field.nullable ? ["", ...field.options] : field.options;
    const select = h("select", { ...props, onchange: () => onType(select.value) }, options.map((one) => h("option", { value: one, selected: one === shown }, one || "none")));
    return select;
  }
  if (field.kind === "object") {
    const area = h("textarea", { ...props, rows: 4, spellcheck: "false", value: shown, oninput: () => onType(area.value) });
    return area;
  }
  const numeric = field.kind === "whole" || field.kind === "number";
  const input = h("input", { ...props, type: "text", value: shown, autocomplete: "off", spellcheck: "false", inputmode: numeric ? "decimal" : null,
    class: numeric ? "numbers" : null, placeholder: field.nullable ? "none" : field.kind === "list" ? "names, with commas between" : null, oninput: () => onType(input.value) });
  return input;
}
