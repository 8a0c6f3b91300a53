/**
 * The trace of a simulation: one line for each thing that happened, and a checksum over all of them.
 *
 * Two runs of one seed are the same run exactly if their traces are equal, byte for byte. Keeping the
 * lines costs memory, so by default only the checksum and the last lines are kept.
 */
import { crc32 } from 'node:zlib';

/** Lines whose checksum is taken in one go. */
const linesAtOnce = 200;

export class Trace {
  readonly #isKept: boolean;
  readonly #lines: string[] = [];
  /** How many of the last lines are not in the checksum yet. */
  #unsummed = 0;
  #checksum = 0;
  #count = 0;

  /** @param isKept whether all lines are kept, not only the last 200 */
  constructor(isKept: boolean) {
    this.#isKept = isKept;
  }

  add(atMs: number, what: string): void {
    this.#count += 1;
    this.#lines.push(`${atMs.toFixed(4)} ${what}\n`);
    this.#unsummed += 1;
    if (this.#unsummed < linesAtOnce) return;
    this.#sum();
    if (!this.#isKept && this.#lines.length > linesAtOnce) this.#lines.splice(0, linesAtOnce);
  }

  /** Lines so far, kept or not. */
  get count(): number {
    return this.#count;
  }

  /** Checksum of all lines so far, as eight hexadecimal digits. */
  get checksum(): string {
    this.#sum();
    return (this.#checksum >>> 0).toString(16).padStart(8, '0');
  }

  /** All lines if they are kept, else the last ones. */
  text(): string {
    return this.#lines.join('');
  }

  #sum(): void {
    if (this.#unsummed === 0) return;
    this.#checksum = crc32(this.#lines.slice(-this.#unsummed).join(''), this.#checksum);
    this.#unsummed = 0;
  }
}
