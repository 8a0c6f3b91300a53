/**
 * Which requests of a client were handled already, so that a second copy of one is not.
 *
 * A refusal says "nothing was appended for this request, and nothing will be". A network that doubles
 * messages would make that a lie: the first copy is refused by a follower, the second comes late and is
 * appended, because by then it leads. So each request is handled once; a client that asks again does so
 * under a new number.
 */
export class HandledRequests {
  readonly #clients = new Map<string, Handled>();

  /** @returns whether this copy of the request is the first; false as well for one older than the window */
  isFirst(client: string, request: number): boolean {
    // A client that follows another at its address counts from a start of its own, which may be a lower one.
    const life = `${client} ${Math.floor(request / requestsOfLife)}`;
    let handled = this.#clients.get(life);
    if (handled === undefined) {
      handled = { newest: request, recent: new Uint32Array(windowRequests / 32) };
      this.#clients.set(life, handled);
      if (this.#clients.size > clientsMax) this.#forgetOldest();
    }
    if (request > handled.newest) advance(handled, request);
    else if (request <= handled.newest - windowRequests) return false;
    return note(handled.recent, request);
  }

  #forgetOldest(): void {
    const [oldest] = this.#clients.keys();
    if (oldest !== undefined) this.#clients.delete(oldest);
  }
}

/** The highest number seen, and a bit for each of those that end with it: a ring, in which a number has its place. */
interface Handled {
  newest: number;
  readonly recent: Uint32Array;
}

/** A request may be overtaken by so many later ones of its client, wherever they went, and is still handled. */
const windowRequests = 4_096;
const clientsMax = 10_000;
/** Lives of clients begin to count at multiples of this, drawn at random: see `Client`. */
const requestsOfLife = 2 ** 20;

/** The numbers up to `request` come into the window, none of them seen; as many leave it. */
function advance(handled: Handled, request: number): void {
  const { newest, recent } = handled;
  if (request - newest >= windowRequests) recent.fill(0);
  else for (let number = newest + 1; number <= request; number++) unset(recent, number);
  handled.newest = request;
}

function unset(recent: Uint32Array, request: number): void {
  const at = request % windowRequests;
  recent[at >>> 5] = (recent[at >>> 5] as number) & ~(1 << (at & 31));
}

/** @returns whether its bit was not set before */
function note(recent: Uint32Array, request: number): boolean {
  const at = request % windowRequests;
  const word = recent[at >>> 5] as number;
  const bit = 1 << (at & 31);
  recent[at >>> 5] = word | bit;
  return (word & bit) === 0;
}
