/**
 * Wiring: the ports of one thread to its peers, each behind the conditions of its link.
 *
 * Conditions are kept by peer, not by port: they outlive a restart of the peer.
 */
import type { MessagePort } from 'node:worker_threads';
import type { NodeId } from '../brand.ts';
import { type ConditionedLink, conditionedLink, healthy, type LinkConditions } from '../link/conditions.ts';
import { messagePortLink } from '../link/message-port.ts';
import type { NodeRuntime } from '../node-runtime.ts';

export class Wiring {
  readonly #runtime: NodeRuntime;
  readonly #links = new Map<NodeId, ConditionedLink>();
  readonly #conditions = new Map<NodeId, Partial<LinkConditions>>();

  constructor(runtime: NodeRuntime) {
    this.#runtime = runtime;
  }

  /** `port` leads to `peer`, in its life number `incarnation`. */
  attach(peer: NodeId, port: MessagePort, incarnation: number): void {
    const runtime = this.#runtime;
    const straight = messagePortLink(port, {
      onFrame: (frame) => {
        if (this.#links.get(peer) === link) runtime.receiveFrame(peer, frame);
      },
      onClosed: (hasThreadEnded) => {
        if (this.#links.get(peer) !== link) return;
        if (hasThreadEnded) this.ended(peer, 'its thread closed the port');
        else this.#lost(peer, 'its port was closed');
      },
    });
    const random = runtime.random.fork(`link to ${peer}#${incarnation}`);
    const link = conditionedLink(straight, { clock: runtime.clock, random });
    link.setConditions(this.#conditions.get(peer) ?? {});
    this.#links.delete(peer);
    runtime.attachLink(peer, link, incarnation);
    this.#links.set(peer, link);
  }

  /** The thread of `peer` has ended. */
  ended(peer: NodeId, reason: string): void {
    this.#links.delete(peer);
    this.#runtime.peerEnded(peer, reason);
  }

  #lost(peer: NodeId, reason: string): void {
    this.#links.delete(peer);
    this.#runtime.detachLink(peer, reason);
  }

  /** Changes the conditions towards `peer` that are named. @throws CodedError `ERR_OPTION_INVALID` */
  setConditions(peer: NodeId, conditions: Partial<LinkConditions>): void {
    this.#links.get(peer)?.setConditions(conditions);
    this.#conditions.set(peer, { ...(this.#conditions.get(peer) ?? healthy), ...conditions });
  }
}
