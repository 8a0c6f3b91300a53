/**
 * A mailbox: two lanes, of which the one for messages is bounded and the one for the system is not.
 *
 * Queues without a bound turn overload into lost memory and hide it from who causes it. The system lane
 * needs none: at most one signal per watch and one entry per timer can wait in it, and a lifecycle
 * signal that could be dropped would be no guarantee at all.
 */
import { optionInvalid } from './coded-error.ts';

/**
 * What happens to a message too many. `reject`: it is refused; an ask fails with `ERR_OVERLOADED`, the
 * actor that told it gets an `overloaded` signal. `drop-newest`: the same, but nobody is signalled.
 * `drop-oldest`: it is let in, and the one that waited longest is lost. Lost tells are dead letters.
 */
export type OverflowPolicy = 'reject' | 'drop-newest' | 'drop-oldest';

/** All of them, for checks and help texts. */
export const overflowPolicies: readonly OverflowPolicy[] = ['reject', 'drop-newest', 'drop-oldest'];

export const mailboxCapacityDefault = 10_000;

/** @throws CodedError `ERR_OPTION_INVALID` */
export function checkMailboxOptions(options: { capacity?: number; overflow?: OverflowPolicy }): void {
  const { capacity, overflow } = options;
  if (capacity !== undefined && !(Number.isSafeInteger(capacity) && capacity >= 1)) {
    throw optionInvalid('mailbox.capacity', capacity, 'a whole number >= 1');
  }
  if (overflow !== undefined && !overflowPolicies.includes(overflow)) {
    throw optionInvalid('mailbox.overflow', overflow, overflowPolicies.join(', '));
  }
}

/** A first-in first-out queue that does not shift its array at every take. */
class Queue<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head >= 1_024 && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  prepend(items: readonly T[]): void {
    this.#items = [...items, ...this.#items.slice(this.#head)];
    this.#head = 0;
  }
}

export class Mailbox<Letter, Errand> {
  readonly capacity: number;
  readonly overflow: OverflowPolicy;
  readonly #letters = new Queue<Letter>();
  readonly #errands = new Queue<Errand>();
  /** Letters that lost their place so far. */
  displaced = 0;

  constructor(options: { capacity?: number; overflow?: OverflowPolicy }) {
    this.capacity = options.capacity ?? mailboxCapacityDefault;
    this.overflow = options.overflow ?? 'reject';
  }

  /** Letters that wait. Invariant: at most `capacity`, but for letters put back. */
  get depth(): number {
    return this.#letters.length;
  }

  get isEmpty(): boolean {
    return this.#letters.length === 0 && this.#errands.length === 0;
  }

  /** Adds a letter. Returns the one that loses its place to the bound: this one, an older one, or none. */
  offer(letter: Letter): Letter | undefined {
    if (this.#letters.length < this.capacity) {
      this.#letters.push(letter);
      return undefined;
    }
    this.displaced++;
    if (this.overflow !== 'drop-oldest') return letter;
    const oldest = this.#letters.shift();
    this.#letters.push(letter);
    return oldest;
  }

  take(): Letter | undefined {
    return this.#letters.shift();
  }

  /** Puts letters that had been taken back at the head; they are not refused, having been let in before. */
  putBack(letters: readonly Letter[]): void {
    if (letters.length > 0) this.#letters.prepend(letters);
  }

  /** Adds to the system lane. */
  offerErrand(errand: Errand): void {
    this.#errands.push(errand);
  }

  takeErrand(): Errand | undefined {
    return this.#errands.shift();
  }
}
