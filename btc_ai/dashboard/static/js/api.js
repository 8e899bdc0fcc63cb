// Questions to the server, and what may go wrong with them.

/** What the server refused, or why it cannot be reached (`code` "offline"). */
export class ApiError extends Error {
  /** @param {string} code @param {string} message @param {Record<string, string>} [fields] */
  constructor(code, message, fields = {}) {
    super(message);
    this.code = code;
    this.fields = fields;
  }
}

/** @typedef {Record<string, any>} Body */

/** @type {Body} */
let hello = {};

/** What the server said of itself; the same object until it is asked again. */
export function greeting() {
  return hello;
}

/** Ask the server about itself. @returns {Promise<Body>} */
export async function greet() {
  hello = await ask("GET", "/api/hello");
  return hello;
}

/** Why no command can be sent now; "" where one can. @param {Body | null} [link] as it stands, where that is known better than by the greeting */
export function whyMute(link = hello.link) {
  if (!link || link.connected) return "";
  if (link.other) return `The daemon that runs has another models folder, ${link.other}. This one is only shown; nothing is sent.`;
  return `${link.text.charAt(0).toUpperCase()}${link.text.slice(1)}.`;
}

/**
 * @param {string} path @param {Record<string, unknown>} [query] what is null or "" is left out
 * @param {AbortSignal} [signal] @returns {Promise<Body>}
 */
export function get(path, query = {}, signal) {
  return ask("GET", address(path, query), undefined, signal);
}

/** The same; null where there is no such thing. @param {string} path @param {Record<string, unknown>} [query] @returns {Promise<Body | null>} */
export async function find(path, query = {}) {
  try {
    return await get(path, query);
  } catch (error) {
    if (error instanceof ApiError && ["not_found", "unknown_run"].includes(error.code)) return null;
    throw error;
  }
}

/** @param {string} path @param {Body} body @returns {Promise<Body>} */
export async function post(path, body) {
  try {
    return await ask("POST", path, body);
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "csrf") throw error;
    await greet();  // the server has been restarted, and has another token
    return ask("POST", path, body);
  }
}

/** Send the daemon a command. @param {string} kind @param {Body} [body] @returns {Promise<Body>} */
export async function command(kind, body = {}) {
  return (await post("/api/commands", { kind, body })).result;
}

/** @param {string} path @param {Record<string, unknown>} query */
export function address(path, query) {
  const kept = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(kept.map(([name, value]) => [name, String(value)])).toString();
  return text ? `${path}?${text}` : path;
}

/**
 * @param {string} method @param {string} path @param {Body} [body] @param {AbortSignal} [signal]
 * @returns {Promise<Body>}
 */
async function ask(method, path, body, signal) {
  /** @type {RequestInit} */
  const options = { method, signal: signal ?? null, headers: { Accept: "application/json" } };
  if (body !== undefined) {
    options.headers = { "Content-Type": "application/json", "X-CSRF-Token": hello.csrf ?? "" };
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError("offline", "The dashboard's server does not answer; is it still running?");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const { code = `http_${response.status}`, message = response.statusText, fields } = answer.error ?? {};
  throw new ApiError(code, message, fields);
}
