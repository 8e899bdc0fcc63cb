// What lies behind and over the lines of a chart: zones, levels, markers.

/** @typedef {import("uplot")} uPlot */
/** @typedef {(text: string) => string} Css the colour that a variable of CSS has now */

const ROOM_PX = 4;

/** The colours of the theme, asked once. @returns {Css} */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  return (text) => (text.startsWith("var(") ? style.getPropertyValue(text.slice(4, -1)).trim() : text);
}

/** Bands of y. @param {uPlot} plot @param {import("./chart.js").Zone[]} zones @param {Css} css */
export function drawZones(plot, zones, css) {
  const { ctx, bbox } = plot;
  const clamp = (/** @type {number} */ y) => Math.min(bbox.top + bbox.height, Math.max(bbox.top, plot.valToPos(y, "y", true)));
  ctx.save();
  ctx.globalAlpha = 0.55;
  for (const zone of zones) {
    const top = clamp(zone.to), bottom = clamp(zone.from);
    ctx.fillStyle = css(`var(--${zone.level}-soft)`);
    ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
  }
  ctx.restore();
}

/** Horizontal lines with their names. @param {uPlot} plot @param {import("./chart.js").Level[]} levels @param {Css} css @param {string} font */
export function drawLevels(plot, levels, css, font) {
  const { ctx, bbox } = plot;
  within(plot, font, (ratio) => {
    ctx.setLineDash([5 * ratio, 4 * ratio]);
    ctx.textAlign = "right";
    for (const { value, label, level } of levels) {
      const y = plot.valToPos(value, "y", true);
      ctx.strokeStyle = ctx.fillStyle = css(`var(--${level ?? "muted"})`);
      line(ctx, bbox.left, y, bbox.left + bbox.width, y);
      ctx.fillText(label, bbox.left + bbox.width - ROOM_PX * ratio, y + (y < bbox.top + 16 * ratio ? 12 : -ROOM_PX) * ratio);
    }
  });
}

/** Events; the words of one that would cover the last one's stand a line below. @param {uPlot} plot @param {import("./chart.js").Marker[]} markers @param {Css} css @param {string} font */
export function drawMarkers(plot, markers, css, font) {
  const { ctx, bbox } = plot;
  within(plot, font, (ratio) => {
    ctx.setLineDash([2 * ratio, 3 * ratio]);
    ctx.textAlign = "left";
    let end = -Infinity, row = 0;
    for (const { x, label, level } of [...markers].sort((one, other) => one.x - other.x)) {
      const at = plot.valToPos(x, "x", true), wide = ctx.measureText(label).width, right = bbox.left + bbox.width;
      ctx.strokeStyle = ctx.fillStyle = css(`var(--${level ?? "muted"})`);
      line(ctx, at, bbox.top, at, bbox.top + bbox.height);
      const left = Math.max(bbox.left, Math.min(at, right - wide - 2 * ROOM_PX * ratio)) + ROOM_PX * ratio;
      row = left < end ? row + 1 : 0;
      end = Math.max(end, left + wide);
      ctx.fillText(label, left, bbox.top + (11 + 13 * row) * ratio);
    }
  });
}

/** @param {uPlot} plot @param {string} font @param {(ratio: number) => void} draw */
function within({ ctx, bbox }, font, draw) {
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.font = font.replace("11px", `${11 * ratio}px`);
  ctx.lineWidth = ratio;
  draw(ratio);
  ctx.restore();
}

/** @param {CanvasRenderingContext2D} ctx @param {number} x0 @param {number} y0 @param {number} x1 @param {number} y1 */
function line(ctx, x0, y0, x1, y1) {
  ctx.beginPath();
  ctx.moveTo(x0, y0);
  ctx.lineTo(x1, y1);
  ctx.stroke();
}
