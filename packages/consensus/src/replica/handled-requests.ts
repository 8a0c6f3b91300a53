/**
 * Which requests of a client were handled already, so that a second copy of one is not.
 *
 * A refusal says "nothing was appended for this request, and nothing will be". A network that doubles
 * messages would make that a lie: the first copy is refused by a follower, the second comes late and is
 * appended, because by then it leads. So each request is handled once; a client that asks again does so
 * under a new number.
 */
export class HandledRequests {
  /** Per client: the newest numbers handled, and below which all others count as handled. */
  readonly #clients = new Map<string, { readonly recent: Set<number>; floor: number }>();

  /** @returns whether this copy of the request is the first; false as well for one older than the window */
  isFirst(client: string, request: number): boolean {
    let handled = this.#clients.get(client);
    if (handled === undefined) {
      handled = { recent: new Set(), floor: 0 };
      this.#clients.set(client, handled);
      if (this.#clients.size > clientsMax) this.#forgetOldest();
    }
    if (request <= handled.floor || handled.recent.has(request)) return false;
    handled.recent.add(request);
    if (handled.recent.size > 2 * windowRequests) raiseFloor(handled);
    return true;
  }

  #forgetOldest(): void {
    const [oldest] = this.#clients.keys();
    if (oldest !== undefined) this.#clients.delete(oldest);
  }
}

/** A request may be overtaken by so many later ones and is still handled. */
const windowRequests = 4_096;
const clientsMax = 10_000;

function raiseFloor(handled: { readonly recent: Set<number>; floor: number }): void {
  const ascending = [...handled.recent].sort((a, b) => a - b);
  const dropped = ascending.slice(0, -windowRequests);
  for (const request of dropped) handled.recent.delete(request);
  handled.floor = dropped.at(-1) ?? handled.floor;
}
