// Work that may wait a little, so that many reasons for it cost it once.

/** @param {() => Promise<unknown>} work @param {number} [wait] milliseconds */
export function debounced(work, wait = 400) {
  let timer = 0;
  return () => {
    timer ||= window.setTimeout(() => {
      timer = 0;
      void work().catch(() => {});  // the next one tells, or the banner does
    }, wait);
  };
}
