// The form of the settings, made from the configuration's JSON schema: sections of fields.

import { words } from "../format.js";

/** @typedef {Record<string, any>} Body */
/**
 * @typedef {object} Field one setting
 * @property {string} key dotted, as in the file
 * @property {string} label
 * @property {string} text what it does
 * @property {Kind} kind
 * @property {boolean} nullable
 * @property {string[]} options of a choice
 * @property {unknown} fallback its default; undefined: it has none
 * @property {unknown} current
 * @property {string} part a heading within its section, or ""
 */
/** @typedef {"flag" | "choice" | "whole" | "number" | "text" | "list" | "object"} Kind */
/** @typedef {{name: string, title: string, text: string, fields: Field[]}} Section */

/** The guide's own words for its update settings. @type {Record<string, string>} */
const LABELS = {
  "UPDATE_SYSTEM.ENABLED": "Enable/Disable Update Checks", "UPDATE_SYSTEM.AUTO_UPDATE": "Automatic Updates",
  "UPDATE_SYSTEM.CHECK_INTERVAL_DAYS": "Check Frequency, days", "UPDATE_SYSTEM.UPDATE_SERVER": "Update Server",
};
const TITLES = { UPDATE_SYSTEM: "Updates", BUCKET_CONFIGS: "Buckets" };
const FIRST = ["UPDATE_SYSTEM.ENABLED", "UPDATE_SYSTEM.AUTO_UPDATE", "UPDATE_SYSTEM.CHECK_INTERVAL_DAYS", "UPDATE_SYSTEM.UPDATE_SERVER"];
/** Sections of the guide for what stands at the top of the file. @type {[string, string, RegExp][]} */
const OF_THE_TOP = [
  ["TRAINING", "Training Parameters", /^(SYMBOL|INTERVAL|COST_BPS|SEED|LEARN.*|GAMMA|BATCH_SIZE|BUFFER_SIZE|MAX_EPISODES)$/],
  ["MEMORY", "Memory Management", /^(USE_GPU|MEMORY_.*)$/],
  ["GENERAL", "General", /./],
];
const INITIALS = /\b(gpu|url|mb|bps|tcp)\b/gi;

/** All sections: updates first, then as in the guide. @param {Body} schema @param {Body} values @returns {Section[]} */
export function sectionsOf(schema, values) {
  const top = OF_THE_TOP.map(([name, title]) => ({ name, title, text: "", fields: /** @type {Field[]} */ ([]) }));
  /** @type {Section[]} */
  const sections = [];
  for (const [key, given] of Object.entries(schema.properties)) {
    const found = /** @type {Body} */ (resolved(schema, given));
    if (found.type !== "object") top[OF_THE_TOP.findIndex(([, , names]) => names.test(key))].fields.push(fieldOf(key, found, values[key], ""));
    else sections.push({ name: key, title: titleOf(key), text: given.description ?? "", fields: fieldsOf(schema, key, found, values[key]) });
  }
  const [training, memory, general] = top, updates = sections.filter((one) => one.name === "UPDATE_SYSTEM");
  return [...updates, general, training, memory, ...sections.filter((one) => one.name !== "UPDATE_SYSTEM")];
}

/** @param {Body} schema @param {string} key @param {Body} found @param {Body} values @returns {Field[]} */
function fieldsOf(schema, key, found, values) {
  if (!found.patternProperties) return inOrder(Object.entries(found.properties).map(([name, one]) => fieldOf(`${key}.${name}`, resolved(schema, one), values?.[name], "")));
  const each = resolved(schema, Object.values(found.patternProperties)[0]);
  return Object.entries(values ?? {}).flatMap(([name, inner]) =>
    Object.entries(each.properties).map(([last, one]) => fieldOf(`${key}.${name}.${last}`, resolved(schema, one), inner[last], name)));
}

/** @param {Field[]} fields */
function inOrder(fields) {
  const rank = (/** @type {Field} */ one) => (FIRST.includes(one.key) ? FIRST.indexOf(one.key) : FIRST.length);
  return [...fields].sort((one, other) => rank(one) - rank(other));
}

/** @param {Body} schema @param {Body} given @returns {Body} */
function resolved(schema, given) {
  return given.$ref ? { ...schema.$defs[given.$ref.split("/").pop()], ...given } : given;
}

/** @param {string} key @param {Body} given @param {unknown} current @param {string} part @returns {Field} */
function fieldOf(key, given, current, part) {
  const choices = given.anyOf?.filter((/** @type {Body} */ one) => one.type !== "null"), nullable = Boolean(given.anyOf?.some((/** @type {Body} */ one) => one.type === "null"));
  const found = nullable ? choices[0] : given;
  return { key, label: LABELS[key] ?? titleOf(key.split(".").pop() ?? key), text: given.description ?? "", nullable,
    kind: kindOf(found), options: found.enum ?? [], fallback: given.default, current, part };
}

/** @param {Body} found @returns {Kind} */
function kindOf({ type, enum: options }) {
  if (options) return "choice";
  return /** @type {Record<string, Kind>} */ ({ boolean: "flag", integer: "whole", number: "number", array: "list", object: "object" })[type] ?? "text";
}

/** @param {string} name */
function titleOf(name) {
  return TITLES[/** @type {"BUCKET_CONFIGS"} */ (name)] ?? words(name.toLowerCase()).replace(INITIALS, (one) => one.toUpperCase());
}

/** A value as it is typed. @param {Field} field @param {unknown} value @returns {string | boolean} */
export function typedOf({ kind }, value) {
  if (kind === "flag") return Boolean(value);
  if (value === null || value === undefined) return "";
  if (kind === "list") return /** @type {string[]} */ (value).join(", ");
  return kind === "object" ? JSON.stringify(value, null, 2) : String(value);
}

/** What was typed as a value. Throws an Error in words. @param {Field} field @param {string | boolean} typed @returns {unknown} */
export function parsed({ kind, nullable }, typed) {
  if (typeof typed === "boolean") return typed;
  const text = typed.trim();
  if (text === "" && nullable) return null;
  if (kind === "list") return text.split(",").map((one) => one.trim()).filter(Boolean);
  if (kind === "object") return asObject(text);
  if (kind !== "whole" && kind !== "number") return text;
  const number = Number(text);
  if (text === "" || !Number.isFinite(number)) throw new Error("must be a number");
  if (kind === "whole" && !Number.isInteger(number)) throw new Error("must be a whole number");
  return number;
}

/** @param {string} text */
function asObject(text) {
  try {
    return JSON.parse(text || "{}");
  } catch (error) {
    throw new Error(`is not JSON: ${error instanceof Error ? error.message : error}`);
  }
}
