/** What is due when: a queue in virtual time. Among things due at the same moment the older leaves first. */
interface Scheduled<T> {
  readonly atMs: number;
  readonly what: T;
}

/** Far more than any cluster has to do within a millisecond. */
const takenPerMsMax = 10_000;

export class Agenda<T> {
  /** Soonest last. */
  readonly #queue: Scheduled<T>[] = [];
  #thisMs = 0;
  #takenThisMs = 0;

  add(atMs: number, what: T): void {
    let low = 0;
    let high = this.#queue.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#queue[middle];
      if (other !== undefined && other.atMs > atMs) low = middle + 1;
      else high = middle;
    }
    this.#queue.splice(low, 0, { atMs, what });
  }

  /**
   * Takes the next thing that is due at `atMs` or before.
   *
   * @throws Error when things set off things without end: whoever looks for that must not wait for ever
   */
  take(atMs: number): Scheduled<T> | undefined {
    const next = this.#queue.at(-1);
    if (next === undefined || next.atMs > atMs) return undefined;
    const ms = Math.floor(next.atMs);
    this.#takenThisMs = ms === this.#thisMs ? this.#takenThisMs + 1 : 0;
    this.#thisMs = ms;
    if (this.#takenThisMs > takenPerMsMax) throw new Error(`a storm of messages at ${ms} ms`);
    return this.#queue.pop();
  }
}
