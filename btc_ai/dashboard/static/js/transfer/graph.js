// The buckets as a graph: in their order, with an arrow for the newest transfer between any two.

import { h, replace, s } from "../dom.js";
import { greeting } from "../api.js";
import { KINDS, OUTCOMES, impactWords, intervalWords, outcomeOf, sentence } from "./words.js";

/** @typedef {Record<string, any>} Body */
/** @typedef {{name: string, range: string, state: string}} Node a bucket; range: its horizons */
/** @typedef {{x: number, y: number}} Spot the middle of a node */
/**
 * @typedef {object} Route how an arrow runs, and where its words stand
 * @property {string} d its path
 * @property {Spot} at its sign
 * @property {Spot} word
 * @property {Spot} [impact] none: beside the word
 * @property {Spot} [interval] none: no room
 * @property {Spot} [kinds]
 * @property {"start" | "middle"} anchor
 */

const NODE = { width: 116, height: 76 };
const LONGEST_NAME = 13;
const LEAST_GAP = 130;
const LANE = 62;
const SIDE_LANE = 46;

/**
 * The buckets of the configuration, those that transfers name besides, and the newest transfer between any two.
 * @param {Body} overview as `/api/overview` answers @param {Body[]} transfers newest first
 */
export function graphOf(overview, transfers) {
  const known = greeting().buckets ?? [];
  const states = new Map(overview.buckets.map((/** @type {Body} */ one) => [one.bucket, one.row?.state ?? "not trained"]));
  const named = transfers.flatMap((row) => [row.source, row.target]).filter(Boolean);
  const order = [...(greeting().sequence ?? []), ...known.map((/** @type {Body} */ one) => one.name), ...named];
  const nodes = [...new Set(order)].map((name) => {
    const one = known.find((/** @type {Body} */ bucket) => bucket.name === name);
    return { name, range: one ? `${one.min_horizon}–${one.max_horizon} bars` : "not configured", state: states.get(name) ?? "not trained" };
  });
  /** @type {Map<string, Body>} */
  const newest = new Map();
  for (const row of transfers) {
    const pair = `${row.source}\n${row.target}`;
    if (row.source && row.source !== row.target && !newest.has(pair)) newest.set(pair, row);
  }
  return { nodes, edges: [...newest.values()] };
}

/**
 * The graph, which follows the width that it is given. Each arrow leads to its transfer.
 * @param {{nodes: Node[], edges: Body[], selected?: string}} drawn
 */
export function transferGraph({ nodes, edges, selected = "" }) {
  const root = h("div", { class: "graph" });
  let width = 0;
  const draw = () => {
    if (!root.clientWidth || root.clientWidth === width) return;
    width = root.clientWidth;
    replace(root, drawing(nodes, edges, selected, width), legend());
  };
  new ResizeObserver(draw).observe(root);
  queueMicrotask(draw);  // where it is put in at once, what is below it does not jump
  return root;
}

/** @param {Node[]} nodes @param {Body[]} edges @param {string} selected @param {number} width */
function drawing(nodes, edges, selected, width) {
  const plan = (width - nodes.length * NODE.width) / Math.max(1, nodes.length - 1) >= LEAST_GAP
    ? across(nodes, edges, width) : down(nodes, edges, width);
  const svg = s("svg", { width, height: plan.height, viewBox: `0 0 ${width} ${plan.height}`, role: "group", "aria-label": "Buckets and the newest transfer between any two" });
  svg.append(...edges.map((row, index) => arrow(row, plan.routes[index], row.transfer === selected)),
    ...nodes.map((node, index) => bucket(node, plan.spots[index])));
  return svg;
}

/** Side by side; what passes over a bucket goes above, what goes back goes below. @param {Node[]} nodes @param {Body[]} edges @param {number} width */
function across(nodes, edges, width) {
  const index = new Map(nodes.map((node, position) => [node.name, position]));
  const step = nodes.length > 1 ? (width - NODE.width - 4) / (nodes.length - 1) : 0;
  const ends = edges.map((row) => /** @type {[number, number]} */ ([index.get(row.source) ?? 0, index.get(row.target) ?? 0]));
  const lanes = { above: 0, below: 0 };
  const taken = ends.map(([from, to]) => (to - from === 1 ? 0 : to > from ? ++lanes.above : ++lanes.below));
  const middle = lanes.above * LANE + NODE.height / 2 + 8;
  const spots = nodes.map((_, position) => ({ x: NODE.width / 2 + 2 + position * step, y: middle }));
  const routes = ends.map(([from, to], number) => {
    const [one, other] = [spots[from], spots[to]];
    return to - from === 1 ? straight(one, other) : bow(one, other, taken[number] * LANE);
  });
  return { spots, routes, height: middle + NODE.height / 2 + 16 + lanes.below * LANE };
}

/** @param {Spot} one @param {Spot} other @returns {Route} */
function straight(one, other) {
  const from = one.x + NODE.width / 2 + 5, to = other.x - NODE.width / 2 - 9, x = (from + to) / 2, { y } = one;
  return { d: `M${from},${y}H${to}`, at: { x, y }, anchor: "middle",
    word: { x, y: y - 34 }, impact: { x, y: y - 18 }, interval: { x, y: y + 27 }, kinds: { x: x - 27, y: y + 35 } };
}

/** @param {Spot} one @param {Spot} other @param {number} rise @returns {Route} */
function bow(one, other, rise) {
  const side = other.x > one.x ? -1 : 1, shift = other.x > one.x ? 14 : -14;
  const begin = one.y + side * (NODE.height / 2 + 4), far = begin + side * rise;
  const from = one.x + shift, to = other.x - shift, middle = (from + to) / 2, y = begin + (far - begin) * 0.75, x = middle + 18;
  return { d: `M${from},${begin}C${from},${far} ${to},${far} ${to},${begin + side * 5}`, at: { x: middle, y }, anchor: "start",
    word: { x, y: y - 7 }, interval: { x, y: y + 17 }, kinds: { x: x - 96, y: y + 6 } };
}

/** Below one another, where it is narrow; what passes over a bucket goes round on the right. @param {Node[]} nodes @param {Body[]} edges @param {number} width */
function down(nodes, edges, width) {
  const index = new Map(nodes.map((node, position) => [node.name, position]));
  const step = NODE.height + 92;
  const spots = nodes.map((_, position) => ({ x: NODE.width / 2 + 2, y: NODE.height / 2 + 2 + position * step }));
  let lane = 0;
  const routes = edges.map((row) => {
    const from = index.get(row.source) ?? 0, to = index.get(row.target) ?? 0;
    return to - from === 1 ? drop(spots[from], spots[to]) : round(spots[from], spots[to], width - 14 - SIDE_LANE * lane++);
  });
  return { spots, routes, height: NODE.height + 6 + step * (nodes.length - 1) };
}

/** @param {Spot} one @param {Spot} other @returns {Route} */
function drop(one, other) {
  const from = one.y + NODE.height / 2 + 4, to = other.y - NODE.height / 2 - 9, middle = one.x - 34, y = (from + to) / 2, x = middle + 20;
  return { d: `M${middle},${from}V${to}`, at: { x: middle, y }, anchor: "start",
    word: { x, y: y - 20 }, impact: { x, y: y - 4 }, interval: { x, y: y + 12 }, kinds: { x, y: y + 19 } };
}

/** @param {Spot} one @param {Spot} other @param {number} lane @returns {Route} */
function round(one, other, lane) {
  const x = one.x + NODE.width / 2, sign = other.y > one.y ? 1 : -1, bend = 14 * sign;
  const from = one.y + sign * 10, to = other.y - sign * 10, middle = (x + lane) / 2;
  const d = `M${x + 4},${from}H${lane - 14}Q${lane},${from} ${lane},${from + bend}V${to - bend}Q${lane},${to} ${lane - 14},${to}H${x + 9}`;
  return { d, at: { x: middle, y: from }, word: { x: middle, y: from - 14 }, anchor: "middle" };
}

/** @param {Node} node @param {Spot} spot */
function bucket({ name, range, state }, { x, y }) {
  return s("g", { class: "bucket", "data-state": state },
    s("rect", { x: x - NODE.width / 2, y: y - NODE.height / 2, width: NODE.width, height: NODE.height, rx: 12 }),
    s("text", { class: "name", x, y: y - 12, "text-anchor": "middle" }, name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name, s("title", {}, name)),
    s("text", { x, y: y + 7, "text-anchor": "middle" }, range),
    s("text", { class: "state", x, y: y + 25, "text-anchor": "middle" }, state));
}

/** @param {Body} row @param {Route} route @param {boolean} selected */
function arrow(row, route, selected) {
  const { word, level, glyph, shape } = outcomeOf(row), { d, at, impact, interval } = route, worth = impactWords(row);
  const line = (/** @type {Spot} */ spot, /** @type {string} */ words, kind = "") =>
    s("text", { class: kind, x: spot.x, y: spot.y, "text-anchor": route.anchor }, words);
  const first = impact ? word : interval ? `${word} ${worth}` : worth || word;
  return s("a", { class: "transfer", href: `/transfer?id=${encodeURIComponent(row.transfer)}`, "data-level": level, "data-shape": shape,
    "aria-label": sentence(row), "aria-current": selected && "true" },
    s("title", {}, sentence(row)), s("path", { class: "reach", d }), s("path", { class: "line", d }), head(d),
    s("circle", { cx: at.x, cy: at.y, r: 10 }), s("text", { class: "glyph", x: at.x, y: at.y + 4, "text-anchor": "middle" }, glyph),
    line(route.word, first, "word"), impact && line(impact, worth, "impact"), interval && line(interval, row.low === null ? "" : intervalWords(row).replace("95 %: ", "")),
    route.kinds && kinds(row, route.kinds));
}

/** The point of an arrow: where its path ends, the way it ends. @param {string} d */
function head(d) {
  const path = /** @type {SVGPathElement} */ (s("path", { d })), length = path.getTotalLength();
  const tip = path.getPointAtLength(length), before = path.getPointAtLength(length - 4);
  const angle = (Math.atan2(tip.y - before.y, tip.x - before.x) * 180) / Math.PI;
  return s("path", { class: "head", d: "M5,0L-5,-5.5V5.5Z", transform: `translate(${tip.x},${tip.y}) rotate(${angle})` });
}

/** What was carried: a mark each, filled where it was. @param {Body} row @param {Spot} spot */
function kinds(row, { x, y }) {
  return Object.entries(KINDS).map(([kind, letter], index) => s("g", { class: "kind", "data-carried": String(row.kinds.includes(kind)) },
    s("rect", { x: x + index * 19, y, width: 16, height: 15, rx: 4 }),
    s("text", { x: x + index * 19 + 8, y: y + 11.5, "text-anchor": "middle" }, letter)));
}

/** What colours, shapes and letters say. */
function legend() {
  return h("p", { class: "row small muted" },
    Object.values(OUTCOMES).map(({ word, level, glyph }) => h("span", { class: "key", "data-level": level }, h("b", { "aria-hidden": "true" }, glyph), word)),
    h("span", {}, "W weights, F feature importance, H prediction horizons: filled where carried. bps a bar: net return above a run from scratch, in 1/100 %, with its 95 % interval."));
}
