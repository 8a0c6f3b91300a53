/**
 * The link between two threads of one process: a direct port, over which frames are transferred.
 *
 * A thread that ends closes its ports, wherever it was, and can run nothing any more by then. Whoever closes a
 * port and lives on says farewell first; so the other end knows a death when it sees one, without asking the
 * app's thread, which may be busy.
 */
import type { MessagePort } from 'node:worker_threads';
import type { Link } from './link.ts';

/** What happens at the receiving end of a port. */
export interface PortEvents {
  onFrame(frame: Uint8Array): void;
  /** The port is closed: by either end, or, if `hasThreadEnded`, because the thread at the other end has ended. */
  onClosed(hasThreadEnded: boolean): void;
}

/** No frame is a string. */
const farewell = 'farewell';

/** Closes a port whose thread lives on. */
export function closePort(port: MessagePort): void {
  port.postMessage(farewell);
  port.close();
}

/** A link over `port`, which it starts. What arrives is for `decodeFrame` to judge. */
export function messagePortLink(port: MessagePort, events: PortEvents): Link {
  let isOpen = true;
  let isDeliberate = false;
  port.on('message', (frame) => {
    if (frame === farewell) isDeliberate = true;
    else events.onFrame(frame);
  });
  port.on('close', () => {
    isOpen = false;
    events.onClosed(!isDeliberate);
  });
  return {
    send(frame) {
      if (isOpen) port.postMessage(frame, [frame.buffer as ArrayBuffer]);
    },
    close() {
      if (isOpen) closePort(port);
      isOpen = false;
      isDeliberate = true;
    },
  };
}
