// One cursor for all charts, also those of other tabs: a moment, seconds since 1970.

/** @typedef {(time: number | null, from: unknown) => void} Listener */

/** @type {Set<Listener>} */
const listeners = new Set();
const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel("btc-ai-cursor") : null;
/** @type {number | null} */
let waiting = null;
let frame = 0;

/** Tell where the cursor is; null: nowhere. `from`: who tells it, and needs no word of it. @param {number | null} time @param {unknown} from */
export function move(time, from) {
  waiting = time;
  if (frame) return;
  frame = requestAnimationFrame(() => {
    frame = 0;
    for (const one of listeners) one(waiting, from);
    channel?.postMessage(waiting);
  });
}

/** @param {Listener} listener @returns {() => void} call it to hear no more */
export function onMove(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

if (channel) {
  channel.onmessage = (message) => {
    for (const one of listeners) one(message.data, channel);
  };
}
