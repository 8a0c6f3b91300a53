/** The clock of one simulated node: it starts anywhere, and may run faster or slower than the cluster's. */
export class LocalClock {
  readonly #startMs: number;
  readonly #sinceMs: number;
  readonly #rate: number;

  /** @param start what it shows at the cluster's time `sinceMs`, and how much passes on it in one millisecond there */
  constructor(start: { readonly startMs: number; readonly sinceMs: number; readonly rate: number }) {
    this.#startMs = start.startMs;
    this.#sinceMs = start.sinceMs;
    this.#rate = start.rate;
  }

  at(clusterMs: number): number {
    return this.#startMs + (clusterMs - this.#sinceMs) * this.#rate;
  }
}
