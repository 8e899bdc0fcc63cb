// What has been typed and not yet saved. It outlives a change of page and a reload, so that nothing typed is lost.

import { parsed, typedOf } from "./schema.js";

/** @typedef {import("./schema.js").Field} Field */
/** @typedef {string | boolean | null} Typed null: back to the default */
/** @typedef {{field: Field, value: unknown, wrong: string}} Change value null where it goes back to its default */

const KEPT = "settings";

export class Drafts {
  constructor() {
    /** By the key of the field. @type {Record<string, Typed>} */
    this.typed = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
  }

  /** @param {Field} field @param {Typed} typed */
  type(field, typed) {
    if (typed !== null && typed === typedOf(field, field.current)) delete this.typed[field.key];
    else this.typed[field.key] = typed;
    this.keep();
  }

  /** Forget one, or all. @param {string} [key] */
  forget(key) {
    if (key === undefined) this.typed = {};
    else delete this.typed[key];
    this.keep();
  }

  keep() {
    sessionStorage.setItem(KEPT, JSON.stringify(this.typed));
  }

  /** What a field shows. @param {Field} field @returns {string | boolean} */
  shown(field) {
    const typed = this.typed[field.key];
    return typed === undefined ? typedOf(field, field.current) : typed === null ? typedOf(field, field.fallback) : typed;
  }

  /** What is to be saved; those that cannot be read say what is wrong. @param {Field[]} fields @returns {Change[]} */
  changes(fields) {
    return fields.filter((field) => field.key in this.typed).map((field) => {
      const typed = this.typed[field.key];
      try {
        return { field, value: typed === null ? null : parsed(field, typed), wrong: "" };
      } catch (error) {
        return { field, value: typed, wrong: error instanceof Error ? error.message : String(error) };
      }
    });
  }
}
