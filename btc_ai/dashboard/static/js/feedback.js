// What is said to the person: passing words, questions, files to keep.

import { h, replace } from "./dom.js";
import { ApiError } from "./api.js";

const PASSING_MS = 6000;

/** Words that stay until they are clicked on, for who asked has done something else meanwhile. @param {...import("./dom.js").Child} words */
export function notice(...words) {
  const shown = h("div", { class: "toast", onclick: () => shown.remove() }, words);
  document.getElementById("toasts")?.append(shown);
}

/** Words that go away by themselves. @param {string} text @param {"good" | "bad"} [level] */
export function toast(text, level = "good") {
  const shown = h("div", { class: "toast", "data-level": level }, text);
  document.getElementById("toasts")?.append(shown);
  setTimeout(() => shown.remove(), level === "bad" ? 2 * PASSING_MS : PASSING_MS);
}

/** Tell what went wrong. @param {unknown} error */
export function tellError(error) {
  if (error instanceof DOMException && error.name === "AbortError") return;
  toast(error instanceof Error ? error.message : String(error), "bad");
  if (!(error instanceof ApiError)) console.error(error);
}

/**
 * Run work behind a button, which shows that it is busy and takes no second click.
 * @param {HTMLButtonElement} button @param {() => Promise<unknown>} work
 */
export async function busy(button, work) {
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    await work();
  } catch (error) {
    tellError(error);
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
}

/** A button behind which work runs. @param {string} text @param {() => Promise<unknown>} work @param {Record<string, unknown>} [props] */
export function action(text, work, props = {}) {
  /** @type {HTMLButtonElement} */
  const button = h("button", { type: "button", ...props, onclick: () => busy(button, work) }, text);
  return button;
}

/**
 * A form in a dialogue. `send` gets the form; what it throws is shown and the dialogue stays open.
 * @param {string} title @param {import("./dom.js").Child} content @param {string} verb on the button
 * @param {(form: HTMLFormElement) => Promise<unknown>} send
 */
export function ask(title, content, verb, send) {
  const wrong = h("p", { class: "wrong", role: "alert" });
  const submit = h("button", { class: "primary" }, verb);
  const form = h("form", { method: "dialog" }, h("h2", {}, title), content, wrong,
    h("div", { class: "actions" }, h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"), submit));
  const dialog = h("dialog", { "aria-label": title, onclose: () => dialog.remove() }, form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    replace(wrong);
    submit.disabled = true;
    send(form).then(() => dialog.close(), (error) => replace(wrong, error.message)).finally(() => { submit.disabled = false; });
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Have the server's file kept. @param {string} address */
export function download(address) {
  h("a", { href: address, download: "" }).click();
}

/** Hand the person rows as CSV. @param {string} name @param {string[]} names @param {unknown[][]} rows */
export function saveCsv(name, names, rows) {
  save(name, csv(names, rows), "text/csv");
}

/** Hand the person a value as JSON. @param {string} name @param {unknown} value */
export function saveJson(name, value) {
  save(name, JSON.stringify(value, null, 2), "application/json");
}

/** Hand the person a file. @param {string} name @param {Blob | string} content @param {string} [type] */
export function save(name, content, type = "text/plain") {
  const blob = content instanceof Blob ? content : new Blob([content], { type });
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Rows as CSV (RFC 4180), what a list holds with spaces between; a cell that a spreadsheet would take for a formula is quoted as text. @param {string[]} names @param {unknown[][]} rows */
function csv(names, rows) {
  const cell = (/** @type {unknown} */ value) => {
    const text = value === null || value === undefined ? "" : Array.isArray(value) ? value.join(" ") : typeof value === "object" ? JSON.stringify(value) : String(value);
    const safe = typeof value !== "number" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [names, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}
