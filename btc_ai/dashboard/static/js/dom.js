// Elements. Whatever is put in is text, never HTML.

/** What an element may hold; a list may hold lists. @typedef {Node | string | number | boolean | null | undefined | readonly unknown[]} Child */
/** @typedef {Record<string, unknown>} Props */

/**
 * An element: `h("p", {class: "note", onclick: go, "data-level": "bad"}, "text")`.
 * A property that begins with `on` is a listener; `tint` is the colour of its CSS; false and null leave one out.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {Props} [props] @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, props = {}, ...children) {
  return /** @type {HTMLElementTagNameMap[T]} */ (fill(document.createElement(tag), props, children));
}

/**
 * An element of SVG.
 * @param {string} tag @param {Props} [props] @param {...Child} children
 * @returns {SVGElement}
 */
export function s(tag, props = {}, ...children) {
  return /** @type {SVGElement} */ (fill(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children));
}

/**
 * Put other children into an element.
 * @param {Element} element @param {...Child} children
 */
export function replace(element, ...children) {
  element.replaceChildren(...nodes(children));
}

/** Have just these elements in it, in order; where it has them they are not touched, and keep the focus. @param {Element} element @param {Element[]} wanted */
export function arrange(element, wanted) {
  if (element.childElementCount !== wanted.length || wanted.some((one, index) => element.children[index] !== one)) replace(element, wanted);
}

/**
 * Put other children into an element, and leave alone what is in it already: a button that is held down, a link with the focus.
 * What looks the same must do the same; an attribute (`data-run`) may tell it apart.
 * @param {Element} element @param {...Child} children
 */
export function renew(element, ...children) {
  const fresh = /** @type {Element} */ (element.cloneNode(false));
  replace(fresh, ...children);
  renewChildren(element, fresh);
}

/** @param {Node} shown @param {Node} fresh */
function renewChildren(shown, fresh) {
  const before = [...shown.childNodes], after = [...fresh.childNodes];
  if (before.length !== after.length) return /** @type {Element} */ (shown).replaceChildren(...after);
  before.forEach((one, index) => {
    if (!one.isEqualNode(after[index])) renewNode(one, after[index]);
  });
}

/** @param {ChildNode} one @param {ChildNode} other */
function renewNode(one, other) {
  const whole = !(one instanceof Element) || one.matches("a, button, input, select") || !one.cloneNode(false).isEqualNode(other.cloneNode(false));
  if (whole) one.replaceWith(other);
  else renewChildren(one, other);
}

/**
 * @param {Element} element @param {Props} props @param {Child[]} children
 */
function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (name === "tint") /** @type {HTMLElement} */ (element).style.setProperty("--tint", String(value));
    else if (name === "value" || name === "checked" || name === "selected") Reflect.set(element, name, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...nodes(children));
  return element;
}

/** @param {readonly unknown[]} children @returns {(Node | string)[]} */
function nodes(children) {
  return children.flatMap((one) => {
    if (Array.isArray(one)) return nodes(one);
    if (one === null || one === undefined || typeof one === "boolean") return [];
    return [one instanceof Node ? one : String(one)];
  });
}

/**
 * An empty page, or part of one: what is missing, and what to do about it.
 * @param {string} title @param {string} text @param {...Child} actions
 */
export function empty(title, text, ...actions) {
  return h("div", { class: "empty" }, h("h2", {}, title), h("p", {}, text), actions);
}

/** @param {Child} title @param {Child} aside @param {...Child} children */
export function card(title, aside, ...children) {
  return h("section", { class: "card" }, h("header", {}, h("h2", {}, title), aside), children);
}

/** @param {string} label @param {Child} value */
export function stat(label, value) {
  return h("div", { class: "stat" }, h("span", { class: "muted small" }, label), h("b", {}, value));
}

/** @param {Child} text @param {string} [level] good, neutral, warning or bad @param {string} [title] */
export function pill(text, level = "neutral", title) {
  return h("span", { class: "pill", "data-level": level, title }, level === "live" && h("i"), text);
}

/**
 * A bar of progress.
 * @param {number} share 0 to 1 @param {string} label @param {string} [tint]
 */
export function progress(share, label, tint) {
  const bar = h("i");
  bar.style.width = `${Math.round(Math.min(1, Math.max(0, share)) * 1000) / 10}%`;
  return h("div", {
    class: "progress", role: "progressbar", tint, "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100,
    "aria-valuenow": Math.round(share * 100),
  }, bar);
}

/**
 * A small line of values without axes.
 * @param {(number | null)[]} values @param {string} label @param {string} [tint]
 */
export function spark(values, label, tint) {
  const known = /** @type {number[]} */ (values.filter((one) => one !== null && Number.isFinite(one)));
  const low = Math.min(...known), span = Math.max(...known) - low || 1;
  const points = known.map((one, index) => `${(index / Math.max(1, known.length - 1)) * 100},${29 - ((one - low) / span) * 26}`);
  const svg = s("svg", { class: "spark", viewBox: "0 0 100 32", preserveAspectRatio: "none", role: "img", "aria-label": label, tint });
  if (points.length > 1) svg.append(s("path", { d: `M${points.join("L")}` }));
  return svg;
}

/**
 * A table; a column is [title, cell of a row, "number" where it is one].
 * @template R
 * @param {string} caption @param {[string, (row: R) => Child, string?][]} columns @param {R[]} rows
 * @param {(row: R) => string} [link] the address a row leads to @param {boolean} [wide] on a phone each row is a card, with the titles beside its cells
 */
export function table(caption, columns, rows, link, wide = false) {
  return h("div", { class: wide ? "scroll wide" : "scroll", tabindex: 0, role: "region", "aria-label": caption },
    h("table", {}, h("caption", { class: "visually-hidden" }, caption),
      h("thead", {}, h("tr", {}, columns.map(([title, , kind]) => h("th", { scope: "col", class: kind }, title)))),
      h("tbody", {}, rows.map((row) => h("tr", link ? { "data-link": link(row) } : {},
        columns.map(([title, cell, kind], index) => h("td", { class: kind, "data-title": title },
          link && index === 0 ? h("a", { href: link(row) }, cell(row)) : cell(row))))))));
}
