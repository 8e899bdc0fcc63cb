// An SVG as a picture to keep: painted shape by shape, for a page that loads nothing may not load its own drawing either.

/** The shapes of an SVG as they look now. @param {SVGSVGElement} svg @returns {HTMLCanvasElement} */
export function painted(svg) {
  const canvas = document.createElement("canvas"), { width, height } = svg.getBoundingClientRect();
  canvas.width = Math.ceil(width * devicePixelRatio);
  canvas.height = Math.ceil(height * devicePixelRatio);
  const ctx = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  for (const one of svg.querySelectorAll("rect, path, circle, text")) paint(ctx, /** @type {SVGGraphicsElement} */ (one));
  return canvas;
}

/** @param {CanvasRenderingContext2D} ctx @param {SVGGraphicsElement} element */
function paint(ctx, element) {
  const style = getComputedStyle(element), { a, b, c, d, e, f } = element.getCTM() ?? new DOMMatrix();
  ctx.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  ctx.transform(a, b, c, d, e, f);
  [ctx.fillStyle, ctx.strokeStyle, ctx.lineWidth] = [style.fill, style.stroke, parseFloat(style.strokeWidth)];
  ctx.setLineDash(style.strokeDasharray === "none" ? [] : style.strokeDasharray.split(",").map(parseFloat));
  if (element instanceof SVGTextElement) return write(ctx, element, style);
  const shape = shapeOf(element);
  if (style.fill !== "none") ctx.fill(shape);
  if (style.stroke !== "none") ctx.stroke(shape);
}

/** @param {CanvasRenderingContext2D} ctx @param {SVGTextElement} element @param {CSSStyleDeclaration} style */
function write(ctx, element, style) {
  ctx.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  ctx.textAlign = style.textAnchor === "middle" ? "center" : "left";
  ctx.fillText(element.firstChild?.nodeValue ?? "", at(element, "x"), at(element, "y"));
}

/** @param {SVGElement} element */
function shapeOf(element) {
  if (element.tagName === "path") return new Path2D(element.getAttribute("d") ?? "");
  const shape = new Path2D();
  if (element.tagName === "circle") shape.arc(at(element, "cx"), at(element, "cy"), at(element, "r"), 0, 2 * Math.PI);
  else shape.roundRect(at(element, "x"), at(element, "y"), at(element, "width"), at(element, "height"), at(element, "rx"));
  return shape;
}

/** @param {SVGElement} element @param {string} name */
function at(element, name) {
  return Number(element.getAttribute(name) ?? 0);
}
