// What lies behind and over the lines of a chart: zones, levels, markers.

/** @typedef {import("uplot")} uPlot */
/** @typedef {(text: string) => string} Css the colour that a variable of CSS has now */

const ROOM_PX = 4;
const LINE_PX = 13;
/** Rows that words of events may stand in. */
const ROWS = 8;

/** @typedef {{left: number, right: number, top: number, bottom: number}} Box where something is written or drawn */

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

/** Lines of events, levels over them, and words where they cover nothing. @param {uPlot} plot @param {import("./chart.js").Level[]} levels @param {import("./chart.js").Marker[]} markers @param {Css} css @param {string} font */
export function drawMarks(plot, levels, markers, css, font) {
  within(plot, font, (ratio) => {
    const { min = -Infinity, max = Infinity } = plot.scales.x, shown = markers.filter(({ x }) => x >= min && x <= max);
    drawEvents(plot, shown, css, ratio);
    nameEvents(plot, shown, drawLevels(plot, levels, css, ratio), css, ratio);
  });
}

/** @param {uPlot} plot @param {import("./chart.js").Marker[]} markers @param {Css} css @param {number} ratio */
function drawEvents(plot, markers, css, ratio) {
  const { ctx, bbox } = plot;
  ctx.setLineDash([2 * ratio, 3 * ratio]);
  for (const { x, level } of markers) {
    const at = plot.valToPos(x, "x", true);
    ctx.strokeStyle = css(`var(--${level ?? "muted"})`);
    line(ctx, at, bbox.top, at, bbox.top + bbox.height);
  }
}

/** Horizontal lines with their names; where all of it is. @param {uPlot} plot @param {import("./chart.js").Level[]} levels @param {Css} css @param {number} ratio */
function drawLevels(plot, levels, css, ratio) {
  const { ctx, bbox } = plot, right = bbox.left + bbox.width, tall = LINE_PX * ratio;
  /** @type {Box[]} */
  const taken = [];
  ctx.setLineDash([5 * ratio, 4 * ratio]);
  for (const { value, label, level } of levels) {
    const y = plot.valToPos(value, "y", true), bottom = y < bbox.top + tall + ratio ? y + tall + ratio : y - ratio;
    const box = { left: right - ctx.measureText(label).width - ROOM_PX * ratio, right, top: bottom - tall, bottom };
    ctx.strokeStyle = ctx.fillStyle = css(`var(--${level ?? "muted"})`);
    line(ctx, bbox.left, y, right, y);
    write(ctx, label, box, css("var(--surface)"), ratio);
    taken.push(box, { left: bbox.left, right, top: y - ratio, bottom: y + ratio });
  }
  return taken;
}

/** The words of each event in the first row in which they cover nothing; none where there is no such row. @param {uPlot} plot @param {import("./chart.js").Marker[]} markers @param {Box[]} taken @param {Css} css @param {number} ratio */
function nameEvents(plot, markers, taken, css, ratio) {
  const { ctx, bbox } = plot, tall = LINE_PX * ratio, room = ROOM_PX * ratio, lowest = bbox.top + Math.min(bbox.height, ROWS * tall);
  for (const { x, label, level } of [...markers].sort((one, other) => one.x - other.x)) {
    if (!label) continue;
    const at = plot.valToPos(x, "x", true), wide = ctx.measureText(label).width;
    const left = Math.max(bbox.left, Math.min(at, bbox.left + bbox.width - wide - 2 * room)) + room;
    for (let top = bbox.top + ratio; top + tall <= lowest; top += tall / 2) {
      const box = { left, right: left + wide + room, top, bottom: top + tall };
      if (taken.some((one) => covers(one, box))) continue;
      taken.push(box);
      ctx.fillStyle = css(`var(--${level ?? "muted"})`);
      write(ctx, label, box, css("var(--surface)"), ratio);
      break;
    }
  }
}

/** @param {Box} one @param {Box} other */
function covers(one, other) {
  return one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
}

/** Words that lines do not run through. @param {CanvasRenderingContext2D} ctx @param {string} label @param {Box} box @param {string} halo its colour @param {number} ratio */
function write(ctx, label, box, halo, ratio) {
  const y = box.bottom - ROOM_PX * ratio;
  ctx.save();
  ctx.setLineDash([]);
  ctx.lineJoin = "round";
  [ctx.strokeStyle, ctx.lineWidth, ctx.globalAlpha] = [halo, 3 * ratio, 0.75];
  ctx.strokeText(label, box.left, y);
  ctx.globalAlpha = 1;
  ctx.fillText(label, box.left, y);
  ctx.restore();
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
  [ctx.textAlign, ctx.textBaseline] = ["left", "alphabetic"];
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
