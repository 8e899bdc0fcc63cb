// What a mouse, a finger and keys do to a chart.

import { tell } from "./chart_words.js";

/** @typedef {import("./chart.js").Chart} Chart */
/** @typedef {import("uplot")} uPlot */

/** @param {Chart} chart @param {uPlot} plot */
export function listen(chart, plot) {
  const { over } = plot;
  over.addEventListener("dblclick", () => chart.zoomedTo(null, null));
  over.addEventListener("click", () => {
    const left = plot.cursor.left ?? -1;
    if (left >= 0 && plot.select.width === 0) chart.look.onPick?.(plot.posToVal(left, "x"));
  });
  over.addEventListener("mousedown", () => {
    chart.hold(true);
    addEventListener("mouseup", () => chart.hold(false), { once: true });
  });
  const mouse = { touchstart: "mousedown", touchmove: "mousemove", touchend: "mouseup" };
  for (const [touch, name] of Object.entries(mouse)) {  // a finger brushes as the mouse does
    over.addEventListener(touch, (event) => {
      const { clientX, clientY } = /** @type {TouchEvent} */ (event).changedTouches[0];
      over.dispatchEvent(new MouseEvent(name, { bubbles: true, clientX, clientY, movementX: 1 }));
    }, { passive: true });
  }
}

/** @param {Chart} chart @param {KeyboardEvent} event */
export function key(chart, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") return void chart.zoomedTo(null, null);
  if (event.key === "+" || event.key === "-") return void nearer(chart, event.key === "+" ? 0.5 : 2);
  const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20, Home: -Infinity, End: Infinity }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  move(chart, step);
}

/** Show less or more around the cursor. @param {Chart} chart @param {number} factor */
function nearer(chart, factor) {
  const [x0, x1] = chart.zoomed ?? chart.extent(), [least, most] = chart.extent(), index = chart.plotted?.cursor.idx;
  const middle = index === null || index === undefined ? (x0 + x1) / 2 : Number(chart.columns[0][index]);
  const from = Math.max(least, middle - (middle - x0) * factor), to = Math.min(most, middle + (x1 - middle) * factor);
  if (from <= least && to >= most) chart.zoomedTo(null, null);
  else chart.zoomedTo(from, to);
}

/** Move the cursor by points, and say what is there. @param {Chart} chart @param {number} step */
function move(chart, step) {
  const plot = chart.plotted, x = chart.columns[0];
  if (!plot || x.length === 0) return;
  const from = chart.zoomed ? chart.rowOf(chart.zoomed[0]) : 0;
  const last = chart.zoomed ? Math.max(from, chart.rowOf(chart.zoomed[1]) - 1) : x.length - 1;
  const index = Math.min(last, Math.max(from, (plot.cursor.idx ?? (step < 0 ? last + 1 : from - 1)) + step));
  plot.setCursor({ left: plot.valToPos(Number(x[index]), "x"), top: (plot.over.clientHeight || 2) / 2 });
  tell(chart, index);
  chart.announce(index);
  chart.spoken.textContent = [...chart.legend.children].map((part) => part.textContent?.trim()).join(", ");
}
