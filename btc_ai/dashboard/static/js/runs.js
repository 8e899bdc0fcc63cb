// Starting and steering runs: the Training menu.

import { h, pill } from "./dom.js";
import { levelOf, words } from "./format.js";
import { ApiError, command, get, greeting, whyMute } from "./api.js";
import { action, ask, toast } from "./feedback.js";
import { go } from "./address.js";

/** @typedef {"pause" | "continue" | "stop" | "resume"} Verb */

const LOOKS = 30;
const LOOK_MS = 100;
const LOOKED_AT = 50;
/** The states in which there is something to pause, continue or stop. */
const SUITED = { pause: ["running", "queued"], continue: ["paused", "stopped", "failed"], stop: ["running", "queued", "paused"] };
/** Each run as it was last told; `wanted`: what it is being brought to at its next checkpoint. @type {Map<string, {state: string, updated: number, wanted?: "stopped" | "paused" | null}>} */
const known = new Map();
/** Whether all of the newest are known. */
let looked = false;
/** Why nobody can be spoken to now, or "". */
let silence = "";
/** What this page has asked of runs and nobody has taken yet. @type {Map<string, string>} */
const asked = new Map();

/** @param {Record<string, any>} event an event of the bus */
export function hear({ kind, body }) {
  if (kind !== "training.run") return;
  known.set(body.run, body);
  if (body.wanted && asked.has(body.run)) {
    toast(`Run ${body.run} is asked to ${asked.get(body.run)}, at its next checkpoint`);
    asked.delete(body.run);
  }
}

/** Ask for the runs, of which events may not have told. */
export async function look() {
  for (const one of (await get("/api/runs", { limit: LOOKED_AT })).runs) {
    if (one.updated > (known.get(one.run)?.updated ?? -1)) known.set(one.run, one);
  }
  looked = true;
}

/** Why something cannot be done now, or "". @param {Verb} verb @param {string} [run] one run, else whichever is in training */
export function hindrance(verb, run) {
  const [named, told] = [...known].find(([one, { wanted }]) => wanted && (run === undefined || one === run)) ?? [];
  if (told && !(told.wanted === "paused" && verb === "stop")) return `Run ${named} is being ${told.wanted}, which it is at its next checkpoint; then it can be continued`;
  const suited = run === undefined && verb !== "resume" ? SUITED[verb] : null;
  return suited && looked && ![...known.values()].some(({ state }) => suited.includes(state)) ? `There is no run to ${verb}` : "";
}

/** Have each button that speaks to the daemon say why it cannot, or be of use again. @param {string} why */
export function hush(why) {
  silence = why;
  for (const one of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("button[data-why]"))) bar(one, silence || (one.dataset.why ?? ""));
}

/** @param {HTMLButtonElement} button @param {string} why it cannot be used; "": it can */
export function bar(button, why) {
  button.disabled = why !== "" || button.hasAttribute("aria-busy");
  if (why) button.title = why;
  else button.removeAttribute("title");
}

/** The state of a run. @param {Record<string, any>} run */
export function stateOf(run) {
  const coming = run.state === "running" && known.get(run.run)?.wanted;
  return coming ? pill(coming === "stopped" ? "stopping" : "pausing", "warning", hindrance("continue", run.run)) : pill(run.state, levelOf(run.state));
}

/** @param {string} text @param {HTMLElement} input @param {string} [hint] */
function field(text, input, hint) {
  return h("label", { class: "field" }, text, input, hint && h("span", { class: "small" }, hint));
}

/** @param {string} name @param {[string, string][]} options value and words @param {string} [chosen] */
function choice(name, options, chosen) {
  return h("select", { name }, options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)));
}

/** @param {string} name @param {string} text @param {boolean} checked */
function check(name, text, checked) {
  return h("label", { class: "check" }, h("input", { type: "checkbox", name, checked }), text);
}

/** A button that has the daemon do something; where none is heard it says why not. @param {string} text @param {() => Promise<unknown>} work @param {Record<string, unknown>} [props] @param {string} [why] it cannot be used, "": it can */
export function doing(text, work, props = {}, why = "") {
  const button = action(text, work, { ...props, "data-why": why });
  bar(button, silence || whyMute() || why);
  return button;
}

/** Ask what to train, and start it. */
export async function askToStart() {
  const { sequence, buckets, episodes, max_episodes: most, learners, symbol, interval } = greeting();
  const names = buckets.map((/** @type {{name: string}} */ one) => one.name);
  const content = [
    field("Sequence, in order", h("input", { name: "sequence", value: sequence.join(", "), required: true }), `known: ${names.join(", ")}`),
    field(`Episodes a bucket (at most ${most})`, h("input", { name: "episodes", type: "number", min: 1, max: most, value: episodes })),
    field("Market", choice("market", [["", `${symbol} ${interval}`], ["sample", "the built-in sample market"]])),
    field("Learner", choice("learner", [["", "as configured"], ...learners.map((/** @type {string} */ one) => /** @type {[string, string]} */ ([one, one]))])),
    field("Seed", h("input", { name: "seed", type: "number", min: 0, placeholder: "as configured" })),
    check("transfer", "Transfer knowledge from each bucket to the next", true),
  ];
  ask("Progressive Training", content, "Start training", async (form) => {
    const given = new FormData(form), text = (/** @type {string} */ name) => String(given.get(name) ?? "").trim();
    /** @type {Record<string, unknown>} */
    const body = { sequence: text("sequence").split(/[\s,]+/).filter(Boolean), transfer: given.has("transfer") };
    for (const name of ["market", "learner"]) if (text(name)) body[name] = text(name);
    for (const name of ["episodes", "seed"]) if (text(name)) body[name] = Number(text(name));
    await started(body);
  });
}

/** Ask which bucket to train on, and go on with it. */
export async function askToResume() {
  const { buckets } = greeting();
  const names = buckets.map((/** @type {{name: string}} */ one) => /** @type {[string, string]} */ ([one.name, one.name]));
  ask("Resume a bucket", [field("Bucket", choice("bucket", names)), field("Episodes", h("input", { name: "episodes", type: "number", min: 1, placeholder: "as configured" }))],
    "Resume training", async (form) => {
      const given = new FormData(form), episodes = String(given.get("episodes") ?? "");
      await started({ bucket: String(given.get("bucket")), resume: true, ...(episodes && { episodes: Number(episodes) }) });
    });
}

/** Ask what to carry over from one bucket to another, show what that would do, and do it. */
export async function askToTransfer() {
  const { buckets } = greeting();
  const names = buckets.map((/** @type {{name: string}} */ one) => /** @type {[string, string]} */ ([one.name, one.name]));
  const kinds = ["weights", "features", "horizons"];
  const plan = h("p", { class: "muted small", role: "status" });
  const body = (/** @type {HTMLFormElement} */ form) => {
    const given = new FormData(form);
    return { source: String(given.get("source")), target: String(given.get("target")), kinds: kinds.filter((kind) => given.has(kind)) };
  };
  const content = [
    field("From", choice("source", names, names[0]?.[0])), field("To", choice("target", names, names[1]?.[0])),
    h("div", { class: "row" }, kinds.map((kind) => check(kind, words(kind), true))), plan,
    h("button", { type: "button", onclick: async (/** @type {Event} */ event) => {
      const form = /** @type {HTMLButtonElement} */ (event.target).form;
      if (!form) return;
      /** @type {Record<string, any>} */
      const found = await command("transfer.plan", body(form)).catch((error) => ({ reason: error.message }));
      plan.textContent = found.kinds?.length ? [`${found.kinds.join(", ")}: matched ${found.matched.join(", ")}`, ...found.notes].join("; ") : found.reason;
    } }, "What would it do?"),
  ];
  ask("Transfer knowledge", content, "Transfer and train", async (form) => {
    const { run } = await command("transfer.start", body(form));
    await show(run, `Run ${run} begins with what was transferred`);
  });
}

/** @param {Record<string, unknown>} body */
async function started(body) {
  const { run, state, warnings } = await command("training.start", body);
  await show(run, `Run ${run} is ${state}${warnings?.length ? `. ${warnings.join(" ")}` : ""}`);
}

/** Go to a run that has begun, once the history has heard of it; not for ever, as there may be none. @param {string} run @param {string} text */
async function show(run, text) {
  for (let looks = 0; looks < LOOKS; looks++) {
    const { runs } = await get("/api/runs", { limit: 20 }).catch(() => ({ runs: [] }));
    if (runs.some((/** @type {{run: string}} */ one) => one.run === run)) break;
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
  toast(text);
  go(`/training?run=${run}`);
}

/** Buttons for what can be done with a run now. @param {Record<string, any>} run */
export function steering(run) {
  const verbs = { running: ["pause", "stop"], queued: ["stop"], paused: ["continue", "stop"], stopped: ["continue"], failed: ["continue"] }[String(run.state)] ?? [];
  return verbs.map((verb) => {
    return doing(words(verb), () => steer(/** @type {"stop"} */ (verb), run.run), { "data-run": run.run }, hindrance(/** @type {Verb} */ (verb), run.run));
  });
}

/** Pause, continue or stop the run that is in training. @param {"pause" | "continue" | "stop"} verb @param {string} [run] */
export async function steer(verb, run) {
  const named = run ?? (await get("/api/runs", { limit: LOOKED_AT })).runs.find((/** @type {{state: string}} */ one) => SUITED[verb].includes(one.state))?.run;
  if (!named) throw new ApiError("not_found", `There is no run to ${verb}`);
  asked.set(named, verb);
  const { state } = await command(`training.${verb}`, { run: named }).finally(() => asked.delete(named));
  toast(`Run ${named} is ${state}`);
}
