// A list of log records that draws only what is seen, so that ten thousand are as smooth as ten.

import { h } from "../dom.js";
import { row } from "./row.js";

/**
 * @typedef {object} LogRecord
 * @property {number} time seconds since 1970
 * @property {string} level
 * @property {string} name
 * @property {string} text
 * @property {string | null} run
 * @property {string | null} bucket
 * @property {string | null} worker
 * @property {string | null} more its traceback
 */
/**
 * @typedef {object} Hearing what the list tells
 * @property {(record: LogRecord) => void} onPick a record was chosen
 * @property {() => void} onTop the oldest records are near
 * @property {() => void} onFollow whether it follows has changed, or how much was not seen
 */

const BEYOND = 12;
const NEAR_TOP_PX = 500;
const AT_END_PX = 6;
const STEPS = { ArrowUp: -1, ArrowDown: 1, PageUp: -15, PageDown: 15, Home: -Infinity, End: Infinity };

export class LogList {
  /** @param {Hearing} hearing */
  constructor(hearing) {
    this.hearing = hearing;
    /** Oldest first. @type {LogRecord[]} */
    this.records = [];
    /** The number of the first; those that come before it are below. */
    this.first = 0;
    /** How much higher than a line those are that stand open, by their numbers. @type {Map<number, number>} */
    this.opened = new Map();
    /** @type {Map<number, HTMLElement>} */
    this.drawn = new Map();
    /** @type {number | null} */
    this.chosen = null;
    /** @type {RegExp | null} */
    this.marked = null;
    this.following = true;
    this.unseen = 0;
    this.frame = 0;
    this.window = h("div", { class: "window", role: "rowgroup" });
    this.root = h("div", { class: "loglist", role: "treegrid", tabindex: 0, "aria-label": "Log records, newest last", "aria-readonly": "true",
      onscroll: () => this.scrolled(), onclick: (/** @type {MouseEvent} */ event) => this.clicked(event), onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event) }, this.window);
    this.sizes = new ResizeObserver(() => this.resized());
    this.sizes.observe(this.root);
    this.height = 24;
  }

  close() {
    this.sizes.disconnect();
    cancelAnimationFrame(this.frame);
  }

  /** Show these instead. @param {LogRecord[]} records @param {RegExp | null} marked what of a text is marked */
  set(records, marked) {
    this.records = records;
    this.marked = marked;
    this.first = 0;
    this.chosen = null;
    this.opened.clear();
    this.forget();
    this.draw();
  }

  /** Newer ones. @param {LogRecord[]} records */
  append(records) {
    this.records.push(...records);
    if (!this.following) this.unseen += records.length;
    this.hearing.onFollow();
    this.soon();
  }

  /** Older ones; what is seen stays where it is. @param {LogRecord[]} records */
  prepend(records) {
    const before = this.root.scrollTop;
    this.records = [...records, ...this.records];
    this.first -= records.length;
    this.draw();
    this.root.scrollTop = before + records.length * this.height;
    this.draw();
  }

  /** Keep the newest alone. @param {number} count */
  keep(count) {
    const left = this.records.length - count;
    this.records = this.records.slice(left);
    this.first += left;
    for (const number of this.opened.keys()) if (number < this.first) this.opened.delete(number);
    this.forget();
    this.soon();
  }

  /** Stay at the newest record, or stand still. @param {boolean} wanted */
  follow(wanted) {
    this.following = wanted;
    if (wanted) this.unseen = 0;
    this.hearing.onFollow();
    this.draw();
  }

  /** Choose the newest record up to a time, and have it in the middle. @param {number} time */
  show(time) {
    let index = this.records.length - 1;
    while (index > 0 && this.records[index].time > time) index--;
    this.following = false;
    this.choose(index);
    this.root.scrollTop = this.topOf(index) - this.root.clientHeight / 2;
    this.hearing.onFollow();
  }

  /** @param {number} index */
  choose(index) {
    if (!this.records[index]) return;
    const before = this.drawn.get(this.chosen ?? NaN);
    this.chosen = this.first + index;
    before?.setAttribute("aria-selected", "false");
    this.root.setAttribute("aria-activedescendant", `log-${this.chosen}`);
    this.draw();
    this.drawn.get(this.chosen)?.setAttribute("aria-selected", "true");
  }

  /** Where a record begins, in px. @param {number} index */
  topOf(index) {
    let top = index * this.height;
    for (const [number, extra] of this.opened) if (number - this.first < index) top += extra;
    return top;
  }

  /** The record at a height. @param {number} px */
  indexAt(px) {
    let low = 0, high = Math.max(0, this.records.length - 1);
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.topOf(middle) <= px) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  soon() {
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const count = this.records.length;
    this.window.style.height = `${this.topOf(count)}px`;
    this.root.setAttribute("aria-rowcount", String(count));
    if (this.following) this.root.scrollTop = this.root.scrollHeight;
    const top = this.root.scrollTop;
    const from = Math.max(0, this.indexAt(top) - BEYOND), to = Math.min(count, this.indexAt(top + this.root.clientHeight) + BEYOND);
    for (const [number, element] of this.drawn) {
      if (number >= this.first + from && number < this.first + to) continue;
      element.remove();
      this.drawn.delete(number);
    }
    for (let index = from, next = this.window.firstElementChild; index < to; index++) {
      const number = this.first + index, known = this.drawn.get(number), element = known ?? this.row(index);
      if (known) next = known.nextElementSibling;
      else this.window.insertBefore(element, next);
      element.style.top = `${this.topOf(index)}px`;
      element.setAttribute("aria-rowindex", String(index + 1));
    }
  }

  /** @param {number} index */
  row(index) {
    const number = this.first + index;
    const element = row(this.records[index], `log-${number}`, { open: this.opened.has(number), chosen: number === this.chosen, marked: this.marked });
    this.drawn.set(number, element);
    return element;
  }

  /** Draw every row anew. */
  forget() {
    for (const element of this.drawn.values()) element.remove();
    this.drawn.clear();
  }

  /** Open a record, or fold it. @param {number} index */
  toggle(index) {
    const number = this.first + index;
    this.drawn.get(number)?.remove();
    this.drawn.delete(number);
    if (this.opened.delete(number)) return this.draw();
    this.following = false;
    this.opened.set(number, 0);
    this.draw();
    this.opened.set(number, Math.max(0, (this.drawn.get(number)?.offsetHeight ?? 0) - this.height));
    this.hearing.onFollow();
    this.draw();
  }

  resized() {
    const height = parseFloat(getComputedStyle(this.root).getPropertyValue("--row")) || this.height;
    if (height !== this.height) this.opened.clear();
    this.height = height;
    this.forget();
    this.draw();
  }

  scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.root;
    const end = scrollTop + clientHeight >= scrollHeight - AT_END_PX;
    if (end !== this.following && (end || scrollHeight > clientHeight)) {
      this.following = end;
      if (end) this.unseen = 0;
      this.hearing.onFollow();
    }
    if (scrollTop < NEAR_TOP_PX) this.hearing.onTop();
    this.soon();
  }

  /** @param {MouseEvent} event */
  clicked(event) {
    const target = /** @type {Element} */ (event.target), found = target.closest("[role=row]");
    if (!found || !getSelection()?.isCollapsed) return;
    const index = Number(found.getAttribute("aria-rowindex")) - 1;
    if (target.closest(".fold")) this.toggle(index);
    else this.pick(index);
  }

  /** @param {number} index */
  pick(index) {
    this.following = false;
    this.choose(index);
    this.hearing.onFollow();
    this.hearing.onPick(this.records[index]);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.records.length - 1, at = this.chosen === null ? last + 1 : this.chosen - this.first;
    const step = STEPS[/** @type {keyof typeof STEPS} */ (event.key)];
    if (step !== undefined) this.move(Math.min(last, Math.max(0, at + step)));
    else if (event.key === "Enter" && at <= last) this.pick(at);
    else if ((event.key === " " || event.key === "ArrowRight" || event.key === "ArrowLeft") && at <= last) {
      if (event.key === " " || this.opened.has(this.first + at) === (event.key === "ArrowLeft")) this.toggle(at);
    } else return;
    event.preventDefault();
  }

  /** Choose another, and have it seen. @param {number} index */
  move(index) {
    this.following = index === this.records.length - 1;
    const top = this.topOf(index), bottom = this.topOf(index + 1), { scrollTop, clientHeight } = this.root;
    if (top < scrollTop) this.root.scrollTop = top;
    else if (bottom > scrollTop + clientHeight) this.root.scrollTop = bottom - clientHeight;
    this.choose(index);
    this.hearing.onFollow();
  }
}
