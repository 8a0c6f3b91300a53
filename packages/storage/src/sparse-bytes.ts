/**
 * Sparse bytes: the content of a file in memory, in pages, where a page of zeroes costs nothing.
 *
 * The log fills each segment with zeroes before it uses it; were those kept, a simulated cluster would
 * hold gigabytes of nothing.
 */
const pageBytes = 4096;
const zeroPage = Buffer.alloc(pageBytes);

export class SparseBytes {
  readonly #pages = new Map<number, Uint8Array>();
  #sizeBytes = 0;

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  write(bytes: Uint8Array, position: number): void {
    let taken = 0;
    while (taken < bytes.byteLength) {
      const at = position + taken;
      const inPage = at % pageBytes;
      const take = Math.min(pageBytes - inPage, bytes.byteLength - taken);
      this.#writePage(Math.floor(at / pageBytes), inPage, bytes.subarray(taken, taken + take));
      taken += take;
    }
    this.#sizeBytes = Math.max(this.#sizeBytes, position + bytes.byteLength);
  }

  #writePage(number: number, inPage: number, bytes: Uint8Array): void {
    let page = this.#pages.get(number);
    if (page === undefined) {
      if (zeroPage.compare(bytes, 0, bytes.byteLength, 0, bytes.byteLength) === 0) return;
      page = new Uint8Array(pageBytes);
      this.#pages.set(number, page);
    }
    page.set(bytes, inPage);
  }

  /** Fills `into` with what stands from `position` on; zeroes where nothing was written. */
  read(into: Uint8Array, position: number): void {
    let filled = 0;
    while (filled < into.byteLength) {
      const at = position + filled;
      const inPage = at % pageBytes;
      const take = Math.min(pageBytes - inPage, into.byteLength - filled);
      const page = this.#pages.get(Math.floor(at / pageBytes));
      if (page === undefined) into.fill(0, filled, filled + take);
      else into.set(page.subarray(inPage, inPage + take), filled);
      filled += take;
    }
  }

  /** Cuts the content, or extends it by zeroes. */
  truncate(sizeBytes: number): void {
    if (sizeBytes < this.#sizeBytes) {
      const lastPage = Math.floor(sizeBytes / pageBytes);
      for (const number of [...this.#pages.keys()]) if (number > lastPage) this.#pages.delete(number);
      this.#pages.get(lastPage)?.fill(0, sizeBytes % pageBytes);
    }
    this.#sizeBytes = sizeBytes;
  }
}
