// The menu Export: what a page shows, as files to keep.

import { page, title } from "./address.js";
import { save, toast } from "./feedback.js";
import { picture } from "./picture.js";

/** @typedef {"csv" | "json" | "png"} Form */
/**
 * What a page hands out; in place of a form that makes no sense for it stands the reason.
 * @typedef {object} Exports
 * @property {(() => unknown) | string} csv
 * @property {(() => unknown) | string} json
 * @property {(() => HTMLElement) | string} png what is painted
 * @property {(form: Form) => string} [lacking] why there is nothing to hand out yet, or ""
 * @property {() => string} [caption] below a picture: run, configuration, range
 */

/** @type {readonly Form[]} */
export const FORMS = ["csv", "json", "png"];

/** Why a page does not have a form; "": it has it. @param {Exports | undefined} exports @param {Form} form */
export function refusal(exports, form) {
  const offer = exports?.[form];
  return typeof offer === "string" ? offer : "";
}

/** Hand out what is shown, or say why there is nothing. @param {Exports} exports @param {Form} form */
export async function hand(exports, form) {
  const lacking = exports.lacking?.(form), offer = exports[form];
  if (lacking) return toast(`Nothing to export: ${lacking}`, "bad");
  if (typeof offer === "string") return;
  if (form !== "png") return offer();
  const words = [`BTC-AI, ${title()}`, exports.caption?.(), `exported ${new Date().toISOString()}`];
  const canvas = picture(/** @type {HTMLElement} */ (offer()), words.filter(Boolean).join(" · "));
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  save(`btc-ai-${page()}.png`, /** @type {Blob} */ (blob));
}
