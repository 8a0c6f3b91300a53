/** The link between two threads of one process: a direct port, over which frames are transferred. */
import type { MessagePort } from 'node:worker_threads';
import type { Link } from './link.ts';

/** What happens at the receiving end of a port. */
export interface PortEvents {
  onFrame(frame: Uint8Array): void;
  /** The port is closed, by this end, by the other, or because the other thread has ended. */
  onClosed(): void;
}

/** A link over `port`, which it starts. What arrives is for `decodeFrame` to judge. */
export function messagePortLink(port: MessagePort, events: PortEvents): Link {
  let isOpen = true;
  port.on('message', (frame) => events.onFrame(frame));
  port.on('close', () => {
    isOpen = false;
    events.onClosed();
  });
  return {
    send(frame) {
      if (isOpen) port.postMessage(frame, [frame.buffer as ArrayBuffer]);
    },
    close() {
      isOpen = false;
      port.close();
    },
  };
}
