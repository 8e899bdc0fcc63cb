// Numbers, times and names in words.

const NONE = "–";
/** How metrics are written; others have four digits. @type {Record<string, (value: number) => string>} */
const FORMS = {
  win_rate: percent, accuracy: percent, exploration: percent, max_drawdown: percent, total_return: percent,
  profit_factor: (value) => minus(value.toFixed(2)), sharpe: (value) => minus(value.toFixed(2)),
  trades: whole, steps: whole, bars_per_second: whole,
};

/** @param {number | null | undefined} value @param {number} [digits] significant digits */
export function number(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const text = value !== 0 && (Math.abs(value) >= 1e6 || Math.abs(value) < 1e-4) ? value.toExponential(2) : String(Number(value.toPrecision(digits)));
  return minus(text);
}

/** @param {number | null | undefined} value */
export function whole(value) {
  return value === null || value === undefined ? NONE : Math.round(value).toLocaleString("en");
}

/** @param {number | null | undefined} share 0 to 1 */
export function percent(share) {
  return share === null || share === undefined ? NONE : minus(`${(share * 100).toFixed(1)} %`);
}

/** With the sign that is as wide as a plus. @param {string} text */
function minus(text) {
  return text.replaceAll("-", "−");
}

/** With its sign, for differences. @param {number | null | undefined} value @param {number} [digits] after the point */
export function signed(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? text : `${value < 0 ? "−" : "+"}${text}`;
}

/** @param {string} name @param {number | null | undefined} value @param {number} [digits] significant digits, where the metric has no form of its own */
export function metric(name, value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const form = FORMS[name] ?? FORMS[name.replace(/^validation_/, "")];
  return form ? form(value) : number(value, digits);
}

/** What metrics are measured in; others have no unit. @type {Record<string, string>} */
const UNITS = { reward: "net bps a bar", win_rate: "of trades", profit_factor: "gains over losses", bars_per_second: "bars a second" };

/** The unit of a metric, or "". @param {string} name */
export function unit(name) {
  return UNITS[name.replace(/^validation_/, "")] ?? "";
}

/** The column of a metric in a file, with its unit where its name does not say it. @param {string} name */
export function column(name) {
  return name.replace(/^validation_/, "") === "reward" ? `${name}_bps_per_bar` : name;
}

/** `profit_factor` in words. @param {string} name */
export function words(name) {
  const text = name.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** @param {number | null | undefined} seconds */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return NONE;
  if (seconds < 1) return "less than 1 s";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
  return `${Math.round(seconds / 86400)} days`;
}

/** A time of this computer's clock. @param {number | null | undefined} time seconds since 1970 */
export function moment(time) {
  if (time === null || time === undefined) return NONE;
  const then = new Date(time * 1000), pad = (/** @type {number} */ part) => String(part).padStart(2, "0");
  return `${then.getFullYear()}-${pad(then.getMonth() + 1)}-${pad(then.getDate())} ${pad(then.getHours())}:${pad(then.getMinutes())}:${pad(then.getSeconds())}`;
}

/** A time as files have it: ISO 8601, UTC. @param {number | null | undefined} time seconds since 1970 */
export function iso(time) {
  return time === null || time === undefined ? null : new Date(time * 1000).toISOString();
}

/** @param {number} mebibytes */
export function size(mebibytes) {
  if (mebibytes === 0) return "0 MiB";
  if (mebibytes < 1) return `${number(mebibytes * 1024, 3)} KiB`;
  return mebibytes < 1024 ? `${number(mebibytes, 3)} MiB` : `${number(mebibytes / 1024, 3)} GiB`;
}

/** The state of a run or bucket as a level for a pill. @param {string} state */
export function levelOf(state) {
  return { done: "good", running: "live", ready: "good", failed: "bad", broken: "bad", paused: "warning", stopped: "warning", interrupted: "warning" }[state] ?? "neutral";
}

/** The colour of a bucket or of the n-th thing. @param {number} index */
export function colour(index) {
  return `var(--c${index % 8})`;
}
