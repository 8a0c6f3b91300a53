/**
 * Flow control: how much may be under way to one acceptor, so that a slow one costs its leader, and itself, a bounded
 * amount of memory.
 *
 * An accept is large or small, so both are limited: their number and their bytes. The last one may exceed the bytes,
 * or a large value would never go.
 */

/** Full messages, counted by their bytes, that may be under way to one acceptor. */
const fullMessagesInFlight = 2;

/** Whether one more accept may go out. */
export function hasRoom(
  underWay: { readonly accepts: number; readonly bytes: number },
  limits: { readonly acceptsMax: number; readonly bytesMax: number },
): boolean {
  return underWay.accepts < limits.acceptsMax && underWay.bytes < fullMessagesInFlight * limits.bytesMax;
}
