/**
 * Watches a simulated cluster step by step: the safety properties, and who led when.
 */
import type { Reign } from '@quorate/consensus';
import type { NodeId } from '@quorate/core';
import { checkInvariants, InvariantMemory, type NodeView } from '../invariants/index.ts';
import type { SimulatedCluster } from '../simulated-cluster.ts';

export class SafetyWatch {
  readonly #cluster: SimulatedCluster;
  readonly #memory: InvariantMemory;
  /** Every reign that any node was seen to have promised or begun. */
  readonly reigns = new Set<Reign>();
  /** Who led, in the order of the reigns in which they were first seen to lead. */
  readonly leaders: { readonly node: NodeId; readonly reign: Reign }[] = [];

  constructor(cluster: SimulatedCluster, algorithm: string) {
    this.#cluster = cluster;
    this.#memory = new InvariantMemory({ algorithm, members: cluster.members });
  }

  /** To be called after every step. @returns which property is broken and how, or undefined */
  check(): string | undefined {
    const views: NodeView[] = [];
    for (const node of this.#cluster.nodes) {
      if (!node.isTouched || node.opened === undefined) continue;
      node.isTouched = false;
      const { protocol, protocolState, state } = node.opened;
      const inspection = protocol.inspect(protocolState);
      views.push({ node: node.name, life: node.life, appliedIndex: state.appliedIndex, ...inspection });
      this.reigns.add(inspection.promisedReign);
      const last = this.leaders.at(-1);
      if (inspection.role === 'leader' && inspection.reign > (last?.reign ?? 0)) {
        this.leaders.push({ node: node.name, reign: inspection.reign });
      }
    }
    return views.length === 0 ? undefined : checkInvariants(views, this.#memory);
  }
}
