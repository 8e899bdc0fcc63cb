// What a page shows as a picture to keep, with words below it that say what it is.

import { h } from "./dom.js";
import { paint } from "./paint.js";

const ROOM = 16;
/** Browsers make no larger canvas, pixels. */
const LARGEST = 16_000;

/** What stands in an element, without the controls. @param {HTMLElement} root @param {string} caption */
export function picture(root, caption) {
  const words = h("p", { class: "caption" }, caption), [left, top] = [scrollX, scrollY];
  root.dataset.picture = "";  // leaves out the controls; nobody sees it, for all happens before the next frame
  document.body.append(words);
  try {
    const shown = contentOf(root);
    words.style.width = `${shown.width}px`;
    return painted([[root, shown], [words, words.getBoundingClientRect()]]);
  } finally {
    words.remove();
    delete root.dataset.picture;
    scrollTo(left, top);
  }
}

/** The room that what stands in an element takes. @param {HTMLElement} root */
function contentOf(root) {
  const boxes = [...root.children].map((one) => one.getBoundingClientRect()).filter((box) => box.width > 0);
  const edge = (/** @type {"left" | "top" | "right" | "bottom"} */ side) => boxes.map((box) => box[side]);
  const left = Math.min(...edge("left")), top = Math.min(...edge("top"));
  return new DOMRect(left, top, Math.max(...edge("right")) - left, Math.max(...edge("bottom")) - top);
}

/** Elements below one another. @param {[HTMLElement, DOMRect][]} parts */
function painted(parts) {
  const width = Math.max(...parts.map(([, box]) => box.width)) + 2 * ROOM;
  const height = parts.reduce((sum, [, box]) => sum + box.height + ROOM, ROOM);
  const canvas = h("canvas"), ratio = Math.min(devicePixelRatio, LARGEST / Math.max(width, height));
  [canvas.width, canvas.height] = [Math.ceil(width * ratio), Math.ceil(height * ratio)];
  const ctx = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  ctx.fillStyle = getComputedStyle(document.documentElement).backgroundColor;
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  let y = ROOM;
  for (const [element, box] of parts) {
    ctx.setTransform(ratio, 0, 0, ratio, ratio * (ROOM - box.left), ratio * (y - box.top));
    paint(ctx, element);
    y += box.height + ROOM;
  }
  return canvas;
}
