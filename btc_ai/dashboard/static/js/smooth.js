// The debiased exponential moving average (Kingma & Ba 2015, section 3), as `btc_ai.history.curves` has it.

/** Goes on where it stopped, so that a new value costs nothing. */
export class Smoother {
  /** @param {number} weight of the past, 0 to below 1 */
  constructor(weight) {
    this.weight = weight;
    this.sum = 0;
    this.share = 0;
    /** @type {number | null} */
    this.constant = null;
    this.seen = 0;
  }

  /** The average with this value; a value that is missing stays missing. @param {number | null} value */
  next(value) {
    if (value === null || value === undefined || !Number.isFinite(value)) return null;
    this.constant = this.seen++ === 0 || value === this.constant ? value : null;
    this.sum = this.weight * this.sum + (1 - this.weight) * value;
    this.share = this.weight * this.share + (1 - this.weight);
    return this.constant ?? this.sum / this.share;
  }
}
