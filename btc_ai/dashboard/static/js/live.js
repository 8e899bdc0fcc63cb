// One WebSocket: events as they come; after a gap or a reconnection, word that all has to be fetched anew.

/** @typedef {Record<string, any>} Body */

const LONGEST_WAIT_MS = 10_000;
const SILENT_MS = 7_000;

/**
 * Dispatches `event` (detail: the event; `known`: it is older than the connection, so a page that fetches now has it), `log`
 * (records), `logproblem` (text), `state` (nothing) and `resync` (nothing: what is shown has to be fetched anew).
 */
export class Live extends EventTarget {
  constructor() {
    super();
    /** @type {"connecting" | "open" | "waiting" | "stopped"} */
    this.state = "stopped";
    /** @type {Body | null} */
    this.link = null;
    /** When the daemon was last heard, seconds since 1970. @type {number | null} */
    this.heard = null;
    /** @type {WebSocket | null} */
    this.socket = null;
    /** @type {Body | null} */
    this.filter = null;
    /** The newest event of each kind. @type {Map<string, Body>} */
    this.newest = new Map();
    this.boot = "";
    this.seq = 0;
    this.tries = 0;
    this.greeted = false;
    this.spoken = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    /** What is fetched once this has come misses nothing. @type {Promise<void>} */
    this.welcomed = new Promise((done) => { this.beWelcomed = done; });
    const hurry = () => this.hurry();
    addEventListener("online", hurry);
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && hurry());
    setInterval(() => this.look(), 1000);
  }

  get watching() {
    return this.state !== "stopped";
  }

  /** Begin to watch. */
  start() {
    if (this.state === "stopped") this.connect();
  }

  /** Watch no longer; what is shown stays as it is. */
  stop() {
    this.enter("stopped");
    clearTimeout(this.timer);
    this.socket?.close();
    this.socket = null;
  }

  /** Follow the log by a filter; null: no longer. @param {Body | null} filter */
  follow(filter) {
    this.filter = filter;
    if (this.state === "open") this.socket?.send(JSON.stringify({ type: "logs", filter }));
  }

  connect() {
    clearTimeout(this.timer);
    this.enter("connecting");
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws`);
    this.socket = socket;
    this.spoken = Date.now();
    socket.onmessage = (message) => this.socket === socket && this.take(JSON.parse(message.data));
    socket.onclose = () => this.socket === socket && this.wait();
  }

  wait() {
    this.socket = null;
    this.enter("waiting");
    const longest = Math.min(LONGEST_WAIT_MS, 250 * 2 ** this.tries++);
    this.timer = setTimeout(() => this.connect(), longest * (0.5 + Math.random() / 2));
  }

  /** Wait no longer: the network or the page is back. */
  hurry() {
    if (this.state === "waiting") this.connect();
    else this.look();
  }

  /** A connection that a sleeping laptop has lost says nothing; begin another. */
  look() {
    if ((this.state === "open" || this.state === "connecting") && Date.now() - this.spoken > SILENT_MS) {
      const dead = this.socket;
      this.wait();
      dead?.close();
    }
  }

  /** @param {Body} message */
  take(message) {
    this.spoken = Date.now();
    if (message.type === "log") return void this.dispatchEvent(new CustomEvent("log", { detail: message.records }));
    if (message.type === "log_problem") return void this.dispatchEvent(new CustomEvent("logproblem", { detail: message.text }));
    if (message.type === "hello") return this.welcome(message);
    if (message.seq !== this.seq + 1) this.resync();
    this.seq = message.seq;
    if (message.type === "beat") this.heard = message.heard;
    if (message.type === "link") this.takeLink(message.link);
    if (message.type === "event") {
      this.heard = message.time;
      this.tell(message);
    }
    this.dispatchEvent(new Event("state"));
  }

  /** @param {Body} message */
  welcome(message) {
    const again = this.greeted;
    this.tries = 0;
    this.greeted = true;
    this.boot = message.boot;
    this.seq = message.seq;
    this.link = message.link;
    this.heard = message.link?.heard ?? null;
    this.enter("open");
    if (this.filter) this.follow(this.filter);
    this.beWelcomed();
    if (again) this.resync();
    for (const event of message.last) this.tell({ ...event, known: true });
  }

  /** A daemon that comes or goes, also one of another folder, changes what can be shown and done. @param {Body} link */
  takeLink(link) {
    const turned = link.connected !== this.link?.connected || link.other !== this.link?.other;
    this.link = link;
    if (turned) this.resync();
  }

  /** @param {Body} event */
  tell(event) {
    this.newest.set(event.kind, event);
    this.dispatchEvent(new CustomEvent("event", { detail: event }));
  }

  resync() {
    this.dispatchEvent(new Event("resync"));
  }

  /** @param {Live["state"]} state */
  enter(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}
