// A chart: uPlot behind an adapter that adds smoothing, live points, zoom, one cursor for all, keys, and words.

import uPlot from "uplot";
import { h, replace } from "./dom.js";
import { number } from "./format.js";
import * as cursor from "./cursor.js";
import { colours, drawMarks, drawZones } from "./chart_marks.js";
import { key, listen } from "./chart_input.js";
import { alike, describe, lastOf, tell } from "./chart_words.js";
import { Smoother } from "./smooth.js";

/**
 * @typedef {object} Line one curve. `x` ascends. `colour`: of CSS, `var(--c0)`. `thin`: not smoothed.
 * @property {string} key
 * @property {string} label
 * @property {string} colour
 * @property {number[]} x
 * @property {(number | null)[]} y
 * @property {(number | null)[]} [smooth] smoothed already, by who made `y` coarser
 * @property {number[]} [dash]
 * @property {boolean} [thin]
 * @property {boolean} [broken] where y is null nothing joins its neighbours
 */
/** @typedef {{value: number, label: string, level?: string}} Level a horizontal line */
/** @typedef {{from: number, to: number, level: string, label?: string}} Zone a band of y */
/** @typedef {{x: number, label: string, level?: string}} Marker an event at x */
/**
 * @typedef {object} Look
 * @property {string} title
 * @property {"episode" | "time" | "x"} unit of x
 * @property {(value: number | null | undefined) => string} [form]
 * @property {number} [height]
 * @property {[number | null, number | null]} [bounds] of y, where they are known
 * @property {(x0: number | null, x1: number | null) => void} [onZoom]
 * @property {(x: number) => void} [onPick] a click at x
 * @property {(x: number) => number | null} [toTime] the moment of an episode
 * @property {(time: number) => number | null} [fromTime]
 */
/** @typedef {{lines: Line[], levels?: Level[], zones?: Zone[], markers?: Marker[], smooth?: number, log?: boolean, span?: [number, number]}} Drawn span: x to show at least */

const HEIGHT = 220;
const FEW_POINTS = 40;
/** Of a null among x of other lines: a gap up to the line's own points, or there alone; as uPlot has it. */
const WIDE = 2, NARROW = 1;
const LEAST_BRUSH_PX = 6;
const DESCRIBED_MS = 1500;
/** One point more among thousands is narrower than a pixel, and may wait for others. */
const POINTS_A_MS = 40, LONGEST_PAUSE_MS = 400;

/** How times are written below an axis, by how far apart its lines are, s: as uPlot's own, with 24 hours a day. @type {(string | number | null)[][]} */
const CLOCK = [
  [86_400, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", "\n{YYYY}-{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", "\n{YYYY}-{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
];

/** @type {Set<Chart>} */
const charts = new Set();
/** Charts with new points; one is drawn each frame, so that no frame is late. @type {Set<Chart>} */
const waiting = new Set();
let frame = 0;

/** Draw every chart anew, in the colours of the theme. */
export function recolour() {
  for (const one of charts) one.build();
}

function drawOne() {
  const [one] = waiting;
  waiting.delete(one);
  one?.flush();
  frame = waiting.size ? requestAnimationFrame(drawOne) : 0;
}

export class Chart {
  /** @param {Look} look */
  constructor(look) {
    this.look = look;
    /** @type {Drawn} */
    this.drawn = { lines: [] };
    /** Of each line whether a smoothed one lies over it. @type {boolean[]} */
    this.smooth = [];
    /** @type {Smoother[]} */
    this.smoothers = [];
    /** x, then of each line y and, where there is one, the smoothed y. @type {(number | null | undefined)[][]} */
    this.columns = [[]];
    /** @type {[number, number] | null} */
    this.zoomed = null;
    this.plotted = /** @type {uPlot | null} */ (null);
    this.legend = h("div", { class: "legend" });
    this.plot = h("div", { class: "plot", tabindex: 0, role: "group", "aria-roledescription": "chart", "aria-label": look.title });
    this.spoken = h("div", { class: "visually-hidden", "aria-live": "polite" });
    this.table = h("div", { class: "visually-hidden" });
    this.pin = h("div", { class: "pin", hidden: true });
    this.root = h("div", { class: "chart" },
      h("h3", {}, look.title), this.plot, this.legend, this.spoken, this.table);
    this.plot.style.minHeight = `${this.height}px`;
    this.plot.addEventListener("keydown", (event) => key(this, event));
    this.sizes = new ResizeObserver(() => this.resize());
    this.sizes.observe(this.plot);
    this.deaf = cursor.onMove((time, from) => this.point(time, from));
    this.describing = this.flushing = 0;
    this.brushed = this.late = false;
    charts.add(this);
  }

  get height() {
    return this.look.height ?? HEIGHT;
  }

  destroy() {
    charts.delete(this);
    waiting.delete(this);
    this.sizes.disconnect();
    this.deaf();
    clearTimeout(this.describing);
    clearTimeout(this.flushing);
    this.plotted?.destroy();
    this.plotted = null;
  }

  /** Draw this. @param {Drawn} drawn */
  set(drawn) {
    this.drawn = drawn;
    this.join();
    if (this.brushed) this.late = true;
    else this.build();
  }

  /** Somebody brushes, or does no longer: what came meanwhile is drawn then. @param {boolean} brushed */
  hold(brushed) {
    this.brushed = brushed;
    if (!brushed && this.late) this.build();
  }

  /** Add a point to a line, at its end. @param {string} key @param {number} x @param {number | null} y */
  append(key, x, y) {
    const index = this.drawn.lines.findIndex((line) => line.key === key);
    const line = this.drawn.lines[index];
    if (!line || line.smooth || x <= (lastOf(line.x) ?? -Infinity)) return;
    line.x.push(x);
    line.y.push(y);
    const [row, known] = [this.rowOf(x), this.columns[0].length];
    if (row < known && this.columns[0][row] !== x) this.join();  // between two points of others
    else {
      if (row === known) this.columns.forEach((column, at) => column.push(at === 0 ? x : undefined));
      const at = this.columnOf(index);
      this.columns[at][row] = y;
      if (this.smooth[index]) this.columns[at + 1][row] = this.smoothers[index].next(y);
    }
    this.flushing ||= window.setTimeout(() => {
      this.flushing = 0;
      waiting.add(this);
      frame ||= requestAnimationFrame(drawOne);
    }, Math.min(LONGEST_PAUSE_MS, this.columns[0].length / POINTS_A_MS));
  }

  /** Show from x0 to x1; null: all. @param {number | null} x0 @param {number | null} x1 */
  zoom(x0, x1) {
    this.zoomed = x0 === null || x1 === null ? null : [x0, x1];
    const [min, max] = this.zoomed ?? this.extent();
    this.plotted?.setScale("x", { min, max });
  }

  /** Lay the lines beside one another, over all x that any of them has. */
  join() {
    const { lines, span, smooth: weight = 0 } = this.drawn;
    this.smoothers = lines.map(() => new Smoother(weight));
    this.smooth = lines.map((line) => Boolean(line.smooth) || (weight > 0 && !line.thin));
    const tables = lines.map((line, index) => this.smooth[index]
      ? [line.x, line.y, line.smooth ?? line.y.map((value) => this.smoothers[index].next(value))] : [line.x, line.y]);
    const [first] = tables, [start = Infinity, end = -Infinity] = span ?? [];
    if (first && (start < (first[0][0] ?? 0) || end > (first[0].at(-1) ?? 0))) tables.push([[start, end], [null, null]]);
    const alike = tables.every(([x]) => x.length === first[0].length && x.every((value, at) => value === first[0][at]));
    if (!first) this.columns = [span ? [...span] : []];
    else if (alike) this.columns = [[...first[0]], ...tables.flatMap(([, ...columns]) => columns.map((one) => [...one]))];
    else this.columns = uPlot.join(/** @type {uPlot.AlignedData[]} */ (tables), tables.map((table, index) => table.map(() => (lines[index]?.broken ? WIDE : NARROW)))).map((column) => [...column]).slice(0, 1 + this.columnOf(lines.length - 1) + Number(this.smooth.at(-1)));
  }

  /** Where the y of a line stand. @param {number} index */
  columnOf(index) {
    return 1 + index + this.smooth.slice(0, index).filter(Boolean).length;
  }

  /** The row of x, or of the first one beyond it. @param {number} x */
  rowOf(x) {
    const known = this.columns[0];
    let low = 0, high = known.length;
    if (high && Number(known[high - 1]) < x) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (Number(known[middle]) < x) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  build() {
    this.late = false;
    this.plotted?.destroy();
    this.plotted = null;
    replace(this.plot);
    const width = this.plot.clientWidth;
    if (!width) return;  // not shown yet: `resize` will be told
    this.plotted = new uPlot(this.options(width), this.data(), this.plot);
    this.plotted.over.append(this.pin);
    if (this.zoomed) this.zoom(...this.zoomed);
    tell(this, null);
    describe(this);
  }

  flush() {
    if (this.late) return;  // its lines are not those that are plotted
    this.plotted?.setData(this.data());
    if (!this.plotted?.cursor.event) tell(this, null);
    this.describing ||= window.setTimeout(() => {
      this.describing = 0;
      describe(this);
    }, DESCRIBED_MS);
  }

  data() {
    return /** @type {uPlot.AlignedData} */ (this.columns);
  }

  resize() {
    const width = this.plot.clientWidth;
    if (!width) return;
    if (!this.plotted) this.build();
    else if (width !== this.plotted.width) this.plotted.setSize({ width, height: this.height });
  }

  /** @returns {[number, number]} */
  extent() {
    const x = this.columns[0];
    const first = Number(x[0] ?? 0), last = Number(x[x.length - 1] ?? 1);
    return first === last ? [first - 1, last + 1] : [first, last];
  }

  /** @param {number} width @returns {uPlot.Options} */
  options(width) {
    const css = colours(), { drawn, look } = this, form = look.form ?? number;
    const font = `11px ${getComputedStyle(document.body).fontFamily}`;
    const axis = { stroke: css("var(--muted)"), grid: { stroke: css("var(--line)"), width: 1 }, ticks: { stroke: css("var(--line)"), width: 1, size: 4 }, font };
    return {
      width, height: this.height, padding: [10, look.unit === "time" ? 26 : 16, 0, 0], legend: { show: false },
      cursor: {
        sync: { key: look.unit, setSeries: false, scales: ["x", null], filters: { pub: isMove, sub: isMove } },
        drag: { x: true, y: false, setScale: false }, points: { size: 7 },
      },
      scales: {
        x: { time: look.unit === "time", auto: () => !this.zoomed },
        y: this.scaleOfY(Boolean(drawn.log)),
      },
      axes: [
        { ...axis, size: look.unit === "time" ? 42 : 30, space: 56, ...(look.unit === "time" && { values: CLOCK }), ...(look.unit === "episode" && { label: "episode", labelSize: 16, labelFont: font }) },
        { ...axis, size: 58, values: (_, ticks) => alike(ticks.map((tick) => (tick === null ? "" : form(tick)))) },
      ],
      series: [{}, ...drawn.lines.flatMap((line, index) => seriesOf(line, css(line.colour), this.smooth[index]))],
      hooks: {
        drawClear: [(plot) => drawZones(plot, drawn.zones ?? [], css)],
        draw: [(plot) => drawMarks(plot, drawn.levels ?? [], drawn.markers ?? [], css, font)],
        setCursor: [(plot) => this.moved(plot)], setSelect: [(plot) => this.selected(plot)],
        ready: [(plot) => listen(this, plot)],
      },
    };
  }

  /** @param {boolean} log @returns {uPlot.Scale} */
  scaleOfY(log) {
    const values = log ? this.drawn.lines.flatMap((line) => line.y.filter((value) => value !== null)) : [];
    const positive = values.every((value) => Number(value) > 0);
    const largest = values.reduce((/** @type {number} */ most, value) => Math.max(most, Math.abs(Number(value))), 0);
    return {
      distr: log ? (positive ? 3 : 4) : 1, asinh: largest / 100 || 1,
      range: (_, min, max) => this.rangeOfY(min, max, log && positive),
    };
  }

  /** @param {number | null} min @param {number | null} max @param {boolean} log @returns {[number, number]} */
  rangeOfY(min, max, log) {
    const { bounds } = this.look;
    const marks = (this.drawn.levels ?? []).map((level) => level.value).filter((value) => !log || value > 0);
    let low = Math.min(min ?? Infinity, ...marks), high = Math.max(max ?? -Infinity, ...marks);
    if (!Number.isFinite(low) || !Number.isFinite(high)) [low, high] = log ? [1, 10] : [0, 1];
    if (log) return [low / 1.15, high * 1.15];
    const room = (high - low || Math.abs(high) || 1) * 0.06;
    return [bounds?.[0] ?? low - room, bounds?.[1] ?? high + room];
  }

  /** @param {uPlot} plot */
  moved(plot) {
    const index = plot.cursor.idx ?? null;
    tell(this, index);
    if (plot.cursor.event) this.announce(index);  // none: another chart of the page moved it
  }

  /** Tell other units and other tabs where the cursor is. @param {number | null} index */
  announce(index) {
    const x = index === null ? null : Number(this.columns[0][index]);
    cursor.move(x === null ? null : this.look.unit === "time" ? x : this.look.toTime?.(x) ?? null, this);
  }

  /** Show where the cursor of a chart of another unit or tab is. @param {number | null} time @param {unknown} from */
  point(time, from) {
    if (from instanceof Chart && from.look.unit === this.look.unit) return;
    const x = time === null ? null : this.look.unit === "time" ? time : this.look.fromTime?.(time) ?? null;
    const left = x === null || !this.plotted ? -1 : this.plotted.valToPos(x, "x");
    this.pin.hidden = !(left >= 0 && left <= (this.plotted?.over.clientWidth ?? 0));
    this.pin.style.left = `${left}px`;
  }

  /** @param {uPlot} plot */
  selected(plot) {
    const { left, width } = plot.select;
    if (width < LEAST_BRUSH_PX) return;
    const x0 = plot.posToVal(left, "x"), x1 = plot.posToVal(left + width, "x");
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.zoomedTo(x0, x1);
  }

  /** @param {number | null} x0 @param {number | null} x1 */
  zoomedTo(x0, x1) {
    if (this.look.onZoom) this.look.onZoom(x0, x1);
    else this.zoom(x0, x1);
  }
}

/** Charts of one unit share where the cursor is, not what is brushed. @param {string} type */
function isMove(type) {
  return type === "mousemove" || type === "mouseleave";
}

/** @param {Line} line @param {string} stroke @param {boolean} smooth @returns {uPlot.Series[]} */
function seriesOf(line, stroke, smooth) {
  const dots = { show: line.y.length < FEW_POINTS && !smooth && !line.dash, size: 5, fill: stroke };
  /** @type {uPlot.Series} */
  const raw = {
    label: line.label, stroke: smooth ? `${stroke}55` : stroke, width: smooth ? 1 : 1.6, dash: line.dash, points: dots, spanGaps: !line.broken,
  };
  return smooth ? [raw, { ...raw, stroke, width: 2.2, points: { show: false } }] : [raw];
}
