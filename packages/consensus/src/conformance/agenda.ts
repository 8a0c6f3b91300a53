/** What is due when: a queue in virtual time. Among things due at the same moment the older leaves first. */
interface Scheduled<T> {
  readonly atMs: number;
  readonly what: T;
}

export class Agenda<T> {
  /** Soonest last. */
  readonly #queue: Scheduled<T>[] = [];

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

  /** Takes the next thing that is due at `atMs` or before. */
  take(atMs: number): Scheduled<T> | undefined {
    const next = this.#queue.at(-1);
    return next !== undefined && next.atMs <= atMs ? this.#queue.pop() : undefined;
  }
}
