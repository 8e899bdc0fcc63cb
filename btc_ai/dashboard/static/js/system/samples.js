// A sample of the system, and its series: as `btc_ai.history.rows.series_of` names them.

/** @typedef {Record<string, any>} Body */

/** The numbers of a sample by their series. @param {Body} sample @returns {Map<string, number | null>} */
export function seriesIn(sample) {
  /** @type {Map<string, number | null>} */
  const found = new Map();
  const take = (/** @type {string} */ prefix, /** @type {Body} */ values, /** @type {string[]} */ without) => {
    for (const [name, value] of Object.entries(values)) {
      if (typeof value === "number" && !without.includes(name)) found.set(`${prefix}.${name}`, value);
    }
  };
  take("host", sample.host, []);
  for (const gpu of sample.gpus) take(`gpu.${gpu.index}`, gpu, ["index"]);
  for (const process of sample.processes) take(`process.${process.name}`, process, ["pid"]);
  return found;
}

/** What the values of series are measured in, by how their names end. @type {[RegExp, string][]} */
const UNITS = [
  [/^process\..*\.cpu$/, "cores"], [/\.(cpu|memory|disk|utilisation)$/, "share"], [/_mb_s$/, "MiB/s"], [/_mb$/, "MiB"],
  [/_c$/, "celsius"], [/_w$/, "watts"], [/\.load$/, "processes"],
];

/** The unit of a series, or "". @param {string} name */
export function unitOf(name) {
  return UNITS.find(([ending]) => ending.test(name))?.[1] ?? "";
}

/** The end of the series as a sample, where none has come live; of what had ended by then nothing. @param {Body[]} series @returns {Body | null} */
export function newestOf(series) {
  const host = /** @type {Body} */ ({}), gpus = /** @type {Record<string, Body>} */ ({}), processes = /** @type {Record<string, Body>} */ ({});
  const before = Math.max(...series.map(({ time }) => time.at(-2) ?? -Infinity));
  for (const { name, time, mean } of series) {
    if (time.at(-1) <= before) continue;
    const [kind] = name.split("."), last = name.lastIndexOf("."), key = name.slice(last + 1), of = name.slice(kind.length + 1, last), value = mean[mean.length - 1];
    if (kind === "host") host[key] = value;
    if (kind === "gpu") (gpus[of] ??= { index: Number(of), name: `GPU ${of}` })[key] = value;
    if (kind === "process") (processes[of] ??= { name: of, pid: null, gpu_memory_mb: null })[key] = value;
  }
  return Object.keys(host).length ? { host, gpus: Object.values(gpus), processes: Object.values(processes) } : null;
}
