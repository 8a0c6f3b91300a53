/**
 * Watches a simulated cluster step by step: the safety properties of each epoch, and who led when.
 */
import type { OpenedReplica, Reign } from '@quorate/consensus';
import type { NodeId } from '@quorate/core';
import { EpochInvariants, type EpochNodeView } from './invariants/by-epoch.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';
import type { SimulatedNode } from './simulated-node.ts';

/** A node that was seen to lead. */
export interface SeenLeader {
  readonly node: NodeId;
  readonly epoch: number;
  readonly reign: Reign;
}

type EpochRun = OpenedReplica['replica']['run'];

export class SafetyWatch {
  readonly #cluster: SimulatedCluster;
  readonly #invariants = new EpochInvariants();
  readonly #led: (leader: SeenLeader) => void;
  /** Every reign that any node was seen to have promised or begun, with its epoch. */
  readonly reigns = new Set<string>();
  /** Who led, in the order in which they were first seen to lead. */
  readonly leaders: SeenLeader[] = [];

  /** @param led called for each new one of `leaders` */
  constructor(cluster: SimulatedCluster, led: (leader: SeenLeader) => void = () => undefined) {
    this.#cluster = cluster;
    this.#led = led;
  }

  /** Epochs that any voter has entered. */
  get epochs(): number {
    return this.#invariants.count;
  }

  /** To be called after every step. @returns which property is broken and how, or undefined */
  check(): string | undefined {
    const changed: EpochNodeView[] = [];
    for (const node of this.#cluster.nodes) {
      if (!node.isTouched || node.opened === undefined) continue;
      node.isTouched = false;
      const { replica } = node.opened;
      for (const run of replica.runs) {
        // A learner has no say: whatever it holds others have chosen, and the audit at the end compares it.
        if (run.standing === 'learner') continue;
        const view = viewOf(node, run, node.opened.state);
        // Most steps bring a node nothing that a checker looks at.
        if (this.#invariants.knows(view)) continue;
        this.#noteElections(view);
        changed.push(view);
      }
    }
    return changed.length === 0 ? undefined : this.#invariants.check(changed);
  }

  #noteElections({ node, epoch: { number: epoch }, role, reign, promisedReign }: EpochNodeView): void {
    this.reigns.add(`${epoch}/${promisedReign}`);
    if (role !== 'leader') return;
    const last = this.leaders.at(-1);
    const isNew = last === undefined || epoch > last.epoch || (epoch === last.epoch && reign > last.reign);
    if (!isNew) return;
    const leader = { node, epoch, reign };
    this.leaders.push(leader);
    this.#led(leader);
  }
}

function viewOf(
  { name, life, opened }: SimulatedNode,
  run: EpochRun,
  state: { readonly appliedIndex: number; readonly epoch: { readonly number: number } },
): EpochNodeView {
  const { epoch, protocol, protocolState } = run;
  const inspection = protocol.inspect(protocolState);
  const { role, leader, reign, commitIndex, lastIndex, snapshotIndex } = inspection;
  const { promisedReign, votedFor, entriesAbove } = inspection;
  // What is applied may be of a later epoch already. Then this one is applied as far as it is known here.
  const isPast = state.epoch.number > epoch.number;
  const appliedIndex = isPast ? Math.min(state.appliedIndex, commitIndex) : state.appliedIndex;
  const isPresent = run === opened?.replica.run;
  // Named one by one: this runs at every step, and copying whole objects is many times slower.
  return {
    node: name,
    life,
    epoch,
    isPresent,
    appliedIndex,
    role,
    leader,
    reign,
    commitIndex,
    lastIndex,
    snapshotIndex,
    promisedReign,
    votedFor,
    entriesAbove,
  };
}
