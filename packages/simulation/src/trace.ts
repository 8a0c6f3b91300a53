/**
 * The trace of a simulation: one line for each thing that happened, and a checksum over all of them.
 *
 * Two runs of one seed are the same run exactly if their traces are equal, byte for byte. Keeping the
 * lines costs memory, so by default only the checksum and the last lines are kept.
 */
import { crc32 } from 'node:zlib';

export class Trace {
  readonly #isKept: boolean;
  readonly #lines: string[] = [];
  readonly #recentMax = 200;
  #checksum = 0;
  #count = 0;

  /** @param isKept whether all lines are kept, not only the last 200 */
  constructor(isKept: boolean) {
    this.#isKept = isKept;
  }

  add(atMs: number, what: string): void {
    const line = `${atMs.toFixed(4)} ${what}\n`;
    this.#checksum = crc32(line, this.#checksum);
    this.#count += 1;
    this.#lines.push(line);
    if (!this.#isKept && this.#lines.length > 2 * this.#recentMax) this.#lines.splice(0, this.#recentMax);
  }

  /** Lines so far, kept or not. */
  get count(): number {
    return this.#count;
  }

  /** Checksum of all lines so far, as eight hexadecimal digits. */
  get checksum(): string {
    return (this.#checksum >>> 0).toString(16).padStart(8, '0');
  }

  /** All lines if they are kept, else the last ones. */
  text(): string {
    return this.#lines.join('');
  }
}
