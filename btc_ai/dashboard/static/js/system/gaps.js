// Where a series lacks what was measured meanwhile, or nothing was, there is no line.

/** @typedef {Record<string, any>} Body */

/** So many looks at the machine in a row that lack a series are a gap, so many times as far apart as their neighbours too. */
const LACKING = 3;

/** When the machine was looked at. @param {Body[]} series @returns {number[]} */
export function looksOf(series) {
  return series.find(({ name }) => name === "host.memory")?.time ?? [];
}

/** A line with nulls where there are gaps. @param {number[]} time @param {(number | null)[]} mean @param {number[]} looks @returns {{x: number[], y: (number | null)[]}} */
export function withGaps(time, mean, looks) {
  /** @type {number[]} */
  const x = [];
  /** @type {(number | null)[]} */
  const y = [];
  let look = 0;
  time.forEach((now, at) => {
    const before = time[at - 1];
    while (looks[look] < now && looks[look] <= before) look++;
    let next = look;
    while (looks[next] < now) next++;
    const beside = [before - time[at - 2], time[at + 1] - now].filter((one) => one > 0);
    const silent = beside.length > 0 && now - before > LACKING * Math.max(...beside);
    if (at > 0 && (next - look > LACKING || silent)) {
      x.push((before + now) / 2);
      y.push(null);
    }
    look = next;
    x.push(now);
    y.push(mean[at]);
  });
  return { x, y };
}
