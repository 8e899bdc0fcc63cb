// Text painted where the window has it, line by line.

/** @typedef {{text: string, box: DOMRect}} Line */

const SAME_LINE_PX = 2;

/** @param {CanvasRenderingContext2D} ctx @param {Text} node @param {Element} parent @param {CSSStyleDeclaration} style of the parent */
export function paintText(ctx, node, parent, style) {
  const lines = linesOf(node);
  if (lines.length === 0) return;
  ctx.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  ctx.letterSpacing = style.letterSpacing === "normal" ? "0px" : style.letterSpacing;
  ctx.fillStyle = style.color;
  const end = style.textOverflow === "ellipsis" ? parent.getBoundingClientRect().right - parseFloat(style.paddingRight) : Infinity;
  for (const { text, box } of lines) {
    const { fontBoundingBoxAscent: above, fontBoundingBoxDescent: below } = ctx.measureText(text);
    const y = box.top + (box.height - above - below) / 2 + above;
    if (box.right <= end + 1) ctx.fillText(text, box.left, y, box.width);
    else ctx.fillText(shortened(ctx, text, end - box.left), box.left, y);
  }
}

/** A text as its lines. @param {Text} node @returns {Line[]} */
function linesOf(node) {
  const text = node.data.trimEnd(), first = text.length - text.trimStart().length, range = document.createRange();
  range.setStart(node, first);
  range.setEnd(node, text.length);
  const boxes = range.getClientRects();
  if (boxes.length < 2) return [...boxes].map((box) => ({ text: plain(text), box }));
  /** @type {{from: number, to: number, top: number}[]} */
  const lines = [];
  for (let at = first; at < text.length; at++) {
    range.setStart(node, at);
    range.setEnd(node, at + 1);
    const box = range.getClientRects()[0], last = lines.at(-1);
    if (!box?.width) continue;  // white space that is not shown
    if (last && Math.abs(last.top - box.top) < SAME_LINE_PX) last.to = at + 1;
    else lines.push({ from: at, to: at + 1, top: box.top });
  }
  return lines.map(({ from, to }) => {
    range.setStart(node, from);
    range.setEnd(node, to);
    return { text: plain(text.slice(from, to)), box: range.getBoundingClientRect() };
  });
}

/** @param {string} text */
function plain(text) {
  return text.trim().replace(/\s+/g, " ");
}

/** As much of a text as there is room for. @param {CanvasRenderingContext2D} ctx @param {string} text @param {number} room */
function shortened(ctx, text, room) {
  let length = Math.floor((text.length * room) / ctx.measureText(text).width);
  while (length > 0 && ctx.measureText(`${text.slice(0, length)}…`).width > room) length--;
  return `${text.slice(0, length)}…`;
}
