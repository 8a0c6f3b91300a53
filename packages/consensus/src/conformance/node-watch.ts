/**
 * The watch that simulated nodes keep over each other: it tells who has not been heard for an election
 * timeout, to protocols whose idle leaders fall silent. One for all groups of a node, so it costs them nothing.
 */
import type { NodeId } from '@quorate/core';
import type { ProtocolCluster } from './cluster.ts';

export class NodeWatch<S, M> {
  readonly #cluster: ProtocolCluster<S, M>;
  readonly #lastHeardMs = new Map<string, number>();

  constructor(cluster: ProtocolCluster<S, M>) {
    this.#cluster = cluster;
  }

  /** Looks at every pair; to be called several times within an election timeout. */
  look(): void {
    const cluster = this.#cluster;
    const [timeoutMs] = cluster.options.electionTimeoutMs;
    for (const node of cluster.members) {
      for (const peer of cluster.members) {
        if (peer === node) continue;
        const link = `${peer}>${node}`;
        const lastHeardMs = this.#lastHeardMs.get(link) ?? cluster.nowMs;
        const isHeard = !canAct(cluster, node) || (canAct(cluster, peer) && cluster.isLinked(peer, node));
        if (isHeard || cluster.nowMs - lastHeardMs >= timeoutMs) this.#lastHeardMs.set(link, cluster.nowMs);
        else this.#lastHeardMs.set(link, lastHeardMs);
        if (!isHeard && cluster.nowMs - lastHeardMs >= timeoutMs) {
          cluster.input(node, { type: 'peer-silent', peer });
        }
      }
    }
  }
}

function canAct<S, M>(cluster: ProtocolCluster<S, M>, node: NodeId): boolean {
  return cluster.isUp(node) && !cluster.node(node).paused;
}
