// The page's charts as one picture to keep, with words that say what it shows.

import { allCharts } from "./chart.js";
import { painted } from "./svg_picture.js";

/** Drawings and charts below one another, each with its title and legend; null: there is none. @param {string} caption */
export function picture(caption) {
  /** @type {SVGSVGElement[]} */
  const drawings = [...document.querySelectorAll("svg[data-picture]")].map((one) => /** @type {SVGSVGElement} */ (one));
  const charts = allCharts().flatMap((chart) => {
    const canvas = chart.canvas();
    return canvas ? [{ title: chart.look.title, legend: chart.legend.innerText.replaceAll("\n", "   "), canvas }] : [];
  });
  const shown = [...drawings.map((one) => ({ title: one.dataset.picture ?? "", legend: "", canvas: painted(one) })), ...charts];
  if (shown.length === 0) return null;
  const ratio = devicePixelRatio, room = 16 * ratio, head = 30 * ratio;
  const made = document.createElement("canvas");
  made.width = Math.max(640 * ratio, ...shown.map((one) => one.canvas.width)) + 2 * room;
  made.height = shown.reduce((sum, one) => sum + one.canvas.height + head, 48 * ratio);
  const ctx = /** @type {CanvasRenderingContext2D} */ (made.getContext("2d"));
  const style = getComputedStyle(document.documentElement);
  const write = (/** @type {string} */ text, /** @type {number} */ x, /** @type {number} */ y, font = "11px") => {
    ctx.font = `${font.replace(/\d+/, (size) => String(Number(size) * ratio))} system-ui, sans-serif`;
    ctx.fillText(text, x, y, made.width - x - room);
    return ctx.measureText(text).width;
  };
  ctx.fillStyle = style.getPropertyValue("--surface");
  ctx.fillRect(0, 0, made.width, made.height);
  ctx.fillStyle = style.getPropertyValue("--text");
  let y = 8 * ratio;
  for (const one of shown) {
    const wide = write(one.title, room, y + 18 * ratio, "13px");
    write(one.legend, room + wide + room, y + 18 * ratio);
    ctx.drawImage(one.canvas, room, y + head);
    y += one.canvas.height + head;
  }
  write(caption, room, made.height - 16 * ratio);
  return made;
}
