/** Which links of a simulated cluster are cut, each direction by itself. */
import type { NodeId } from '@quorate/core';

export class Links {
  readonly #members: readonly NodeId[];
  readonly #cut = new Set<string>();

  constructor(members: readonly NodeId[]) {
    this.#members = members;
  }

  isCut(from: string, to: string): boolean {
    return this.#cut.has(`${from}>${to}`);
  }

  cutOneWay(from: string, to: string): void {
    this.#cut.add(`${from}>${to}`);
  }

  /** Only nodes of the same side reach each other; who is in no side is alone. */
  partition(sides: readonly (readonly string[])[]): void {
    this.heal();
    for (const from of this.#members) {
      for (const to of this.#members) {
        const isTogether = sides.some((side) => side.includes(from) && side.includes(to));
        if (from !== to && !isTogether) this.cutOneWay(from, to);
      }
    }
  }

  heal(): void {
    this.#cut.clear();
  }
}
