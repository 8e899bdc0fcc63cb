// The shapes of an SVG, painted as they look now.

/** A shape, where the window has it; what only holds others is nothing to paint. @param {CanvasRenderingContext2D} ctx @param {SVGElement} element @param {CSSStyleDeclaration} style */
export function paintShape(ctx, element, style) {
  const matrix = element instanceof SVGGraphicsElement ? element.getScreenCTM() : null;
  if (!matrix) return;
  ctx.fillStyle = style.fill;
  if (element instanceof SVGTextElement) return write(ctx, element, style, matrix);
  const shape = shapeOf(element);
  if (!shape) return;
  const path = new Path2D(), { a, b, c, d } = matrix;
  path.addPath(shape, matrix);
  const scale = style.vectorEffect === "non-scaling-stroke" ? 1 : Math.sqrt(Math.abs(a * d - b * c));
  [ctx.strokeStyle, ctx.lineWidth] = [style.stroke, parseFloat(style.strokeWidth) * scale];
  ctx.setLineDash(style.strokeDasharray === "none" ? [] : style.strokeDasharray.split(",").map((one) => parseFloat(one) * scale));
  if (style.fill !== "none") ctx.fill(path);
  if (style.stroke !== "none") ctx.stroke(path);
}

/** @param {CanvasRenderingContext2D} ctx @param {SVGTextElement} element @param {CSSStyleDeclaration} style @param {DOMMatrix} matrix */
function write(ctx, element, style, { a, b, c, d, e, f }) {
  ctx.transform(a, b, c, d, e, f);
  ctx.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  ctx.textAlign = style.textAnchor === "middle" ? "center" : "left";
  ctx.fillText(element.firstChild?.nodeValue ?? "", at(element, "x"), at(element, "y"));
}

/** @param {SVGElement} element */
function shapeOf(element) {
  const shape = new Path2D();
  switch (element.tagName) {
    case "path": return new Path2D(element.getAttribute("d") ?? "");
    case "circle": shape.arc(at(element, "cx"), at(element, "cy"), at(element, "r"), 0, 2 * Math.PI); break;
    case "rect": shape.roundRect(at(element, "x"), at(element, "y"), at(element, "width"), at(element, "height"), at(element, "rx")); break;
    case "line":
      shape.moveTo(at(element, "x1"), at(element, "y1"));
      shape.lineTo(at(element, "x2"), at(element, "y2"));
      break;
    default: return null;
  }
  return shape;
}

/** @param {SVGElement} element @param {string} name */
function at(element, name) {
  return Number(element.getAttribute(name) ?? 0);
}
