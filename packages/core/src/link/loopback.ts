/** Loopback: a link inside one thread. It hands frames over at the end of the turn, never inside `send`. */
import type { Clock } from '../clock.ts';
import type { Link } from './link.ts';

/** A link whose other end is `deliver`. */
export function loopbackLink(clock: Clock, deliver: (frame: Uint8Array) => void): Link {
  let open = true;
  return {
    send(frame) {
      if (!open) return;
      clock.defer(() => {
        if (open) deliver(frame);
      });
    },
    close() {
      open = false;
    },
  };
}
