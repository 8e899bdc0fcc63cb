// Elements painted as they look now, box by box, for a page that loads nothing may not load a drawing of itself either.

import { paintShape } from "./paint_svg.js";
import { paintText } from "./paint_text.js";

/** What is for the mouse or the ear alone. */
const NOT_PAINTED = ".visually-hidden, .u-over, .u-legend, title";

/** An element and all in it, where the window has it. @param {CanvasRenderingContext2D} ctx @param {Element} element */
export function paint(ctx, element) {
  const style = getComputedStyle(element);
  if (style.display === "none" || style.visibility === "hidden" || element.matches(NOT_PAINTED)) return;
  ctx.save();
  ctx.globalAlpha *= Number(style.opacity);
  if (element instanceof SVGElement && !(element instanceof SVGSVGElement)) paintShape(ctx, element, style);
  else for (const box of element.getClientRects()) paintBox(ctx, box, style);
  if (style.overflow !== "visible" && !(element instanceof SVGGElement)) clip(ctx, element, style);
  if (element instanceof HTMLCanvasElement) paintCanvas(ctx, element);
  for (const child of element.childNodes) {
    if (child instanceof Element) paint(ctx, child);
    else if (child instanceof Text && !(element instanceof SVGElement)) paintText(ctx, child, element, style);
  }
  ctx.restore();
}

/** A canvas; on whole pixels, that it stays sharp. @param {CanvasRenderingContext2D} ctx @param {HTMLCanvasElement} element */
function paintCanvas(ctx, element) {
  const { left, top, width, height } = element.getBoundingClientRect(), { a, d, e, f } = ctx.getTransform();
  ctx.resetTransform();
  ctx.drawImage(element, Math.round(a * left + e), Math.round(d * top + f), Math.round(a * width), Math.round(d * height));
}

/** Background and border. @param {CanvasRenderingContext2D} ctx @param {DOMRect} box @param {CSSStyleDeclaration} style */
function paintBox(ctx, box, style) {
  ctx.fillStyle = style.backgroundColor;
  ctx.fill(outline(box, style));
  const sides = /** @type {const} */ (["Top", "Right", "Bottom", "Left"]).map((side) => ({
    width: parseFloat(style[`border${side}Width`]), colour: style[`border${side}Color`], dashed: style[`border${side}Style`] === "dashed" }));
  const [first] = sides, alike = sides.every((one) => one.width === first.width && one.colour === first.colour);
  if (alike) return void (first.width && stroke(ctx, outline(box, style, first.width / 2), first));
  const { left, top, right, bottom } = box;
  const ends = [[left, top, right, top], [right, top, right, bottom], [left, bottom, right, bottom], [left, top, left, bottom]];
  sides.forEach((side, index) => {
    if (!side.width) return;
    const [x0, y0, x1, y1] = ends[index], inward = (index === 0 || index === 3 ? 1 : -1) * side.width / 2, across = index % 2;
    const line = new Path2D();
    line.moveTo(x0 + inward * across, y0 + inward * (1 - across));
    line.lineTo(x1 + inward * across, y1 + inward * (1 - across));
    stroke(ctx, line, side);
  });
}

/** @param {CanvasRenderingContext2D} ctx @param {Path2D} path @param {{width: number, colour: string, dashed: boolean}} line */
function stroke(ctx, path, { width, colour, dashed }) {
  [ctx.strokeStyle, ctx.lineWidth] = [colour, width];
  ctx.setLineDash(dashed ? [1.6 * width, width] : []);
  ctx.stroke(path);
}

/** A box with its round corners. @param {DOMRect} box @param {CSSStyleDeclaration} style @param {number} [inset] */
function outline({ left, top, width, height }, style, inset = 0) {
  const corners = [style.borderTopLeftRadius, style.borderTopRightRadius, style.borderBottomRightRadius, style.borderBottomLeftRadius];
  const path = new Path2D();
  path.roundRect(left + inset, top + inset, width - 2 * inset, height - 2 * inset, corners.map((one) => Math.max(0, parseFloat(one) - inset)));
  return path;
}

/** @param {CanvasRenderingContext2D} ctx @param {Element} element @param {CSSStyleDeclaration} style */
function clip(ctx, element, style) {
  if (style.display !== "inline" || element instanceof SVGElement) ctx.clip(outline(element.getBoundingClientRect(), style));
}
