// The address: which page, and its filters. It can be kept, sent to somebody, and gone back in.

export const PAGES = {
  overview: "Overview", training: "Training Progress", transfer: "Knowledge Transfer",
  system: "System Metrics", logs: "Logs", board: "Combined", settings: "Settings", help: "Help",
};

/** @typedef {keyof typeof PAGES} PageName */
/** What an address shows that is no page's. */
export const NOWHERE = "nowhere";

/** @type {Set<() => void>} */
const listeners = new Set();

/** The page of the address. @returns {PageName | typeof NOWHERE} */
export function page() {
  const name = location.pathname.slice(1) || "overview";
  return Object.hasOwn(PAGES, name) ? /** @type {PageName} */ (name) : NOWHERE;
}

/** What the page is called. */
export function title() {
  const current = page();
  return current === NOWHERE ? "No such page" : PAGES[current];
}

/** A value of the address, or "". @param {string} name */
export function value(name) {
  return new URLSearchParams(location.search).get(name) ?? "";
}

/** Values with commas between them. @param {string} name @returns {string[]} */
export function values(name) {
  return value(name).split(",").filter(Boolean);
}

/** A number of the address, or a default. @param {string} name @param {number} otherwise */
export function numeric(name, otherwise) {
  const text = value(name), found = Number(text);
  return text !== "" && Number.isFinite(found) ? found : otherwise;
}

/** The address with other values; null or "" leaves one out. @param {Record<string, unknown>} changes */
export function changed(changes) {
  const query = new URLSearchParams(location.search);
  for (const [name, one] of Object.entries(changes)) {
    if (one === null || one === undefined || one === "" || one === false) query.delete(name);
    else query.set(name, Array.isArray(one) ? one.join(",") : String(one === true ? 1 : one));
  }
  const text = query.toString().replaceAll("%2C", ",");
  return location.pathname + (text ? `?${text}` : "");
}

/**
 * Change values of the address; those who listen hear of it. `remember`: one can go back to what it was.
 * @param {Record<string, unknown>} changes @param {{remember?: boolean}} [options]
 */
export function change(changes, { remember = false } = {}) {
  const next = changed(changes);
  if (next === location.pathname + location.search) return;
  if (remember) history.pushState(null, "", next);
  else history.replaceState(null, "", next);
  tell();
}

/** Go to another page of the dashboard. @param {string} address */
export function go(address) {
  history.pushState(null, "", address);
  tell();
}

/** @param {() => void} listener */
export function onChange(listener) {
  listeners.add(listener);
}

function tell() {
  for (const one of listeners) one();
}

addEventListener("popstate", tell);
document.addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const target = /** @type {Element} */ (event.target);
  const link = target.closest("a[href]");
  const row = link ? null : target.closest("tr[data-link]");
  const href = link?.getAttribute("href") ?? row?.getAttribute("data-link");
  if (!href || link?.hasAttribute("download") || link?.hasAttribute("target")) return;
  if (!href.startsWith("/") || !(href.split(/[/?#]/)[1] in PAGES || href === "/")) return;
  event.preventDefault();
  go(href);
});
