/**
 * Watches a simulated cluster step by step: the safety properties of each epoch, and who led when.
 */
import type { Reign } from '@quorate/consensus';
import type { NodeId } from '@quorate/core';
import { checkInvariants, InvariantMemory, type NodeView } from '../invariants/index.ts';
import type { SimulatedCluster } from '../simulated-cluster.ts';

interface Watched {
  readonly memory: InvariantMemory;
  views: NodeView[];
}

export class SafetyWatch {
  readonly #cluster: SimulatedCluster;
  /** An epoch is a protocol of its own, with its own members: what it promises it promises them. */
  readonly #epochs = new Map<number, Watched>();
  /** The latest in which each node was seen. */
  readonly #epochOf = new Map<NodeId, number>();
  /** Every reign that any node was seen to have promised or begun, with its epoch. */
  readonly reigns = new Set<string>();
  /** Who led, in the order in which they were first seen to lead. */
  readonly leaders: { readonly node: NodeId; readonly epoch: number; readonly reign: Reign }[] = [];

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster;
  }

  /** To be called after every step. @returns which property is broken and how, or undefined */
  check(): string | undefined {
    for (const node of this.#cluster.nodes) {
      if (!node.isTouched || node.opened === undefined) continue;
      node.isTouched = false;
      const { protocol, protocolState, state, replica } = node.opened;
      const { epoch, algorithm, members } = replica.status();
      // Whoever learns without a voice promises nothing.
      if (protocol.name !== algorithm || !members.includes(node.name)) continue;
      const inspection = protocol.inspect(protocolState);
      // A snapshot of a later epoch may be in the state already while the node is still in this one.
      const isPast = Math.max(...this.#epochs.keys()) > epoch;
      const appliedIndex = isPast ? Math.min(state.appliedIndex, inspection.commitIndex) : state.appliedIndex;
      const view = { node: node.name, life: node.life, appliedIndex, ...inspection };
      this.#watched(epoch, { algorithm, members, first: view }).views.push(view);
      if ((this.#epochOf.get(node.name) ?? epoch) < epoch) this.#movedOn(node.name, epoch);
      this.#epochOf.set(node.name, epoch);
      this.#noteElections(epoch, view);
    }
    for (const [number, watched] of this.#epochs) {
      if (watched.views.length === 0) continue;
      const { views } = watched;
      watched.views = [];
      const violation = checkInvariants(views, watched.memory);
      if (violation !== undefined) return number === 1 ? violation : `in epoch ${number}: ${violation}`;
    }
    return undefined;
  }

  #watched(
    number: number,
    epoch: { readonly algorithm: string; readonly members: readonly NodeId[]; readonly first: NodeView },
  ): Watched {
    const known = this.#epochs.get(number);
    if (known !== undefined) return known;
    const watched = { memory: new InvariantMemory(epoch), views: [] };
    // A later epoch is founded with a leader that all members have granted its first reign, seen or not.
    if (number > 1) watched.memory.beginStep(foundingViews(epoch.members, epoch.first));
    this.#epochs.set(number, watched);
    return watched;
  }

  /** It may go on promising in the epochs that it has left, for those who are left behind, and that is not seen. */
  #movedOn(node: NodeId, to: number): void {
    for (const [number, { memory }] of this.#epochs) {
      if (number >= to) continue;
      const left = memory.latestViews().filter((view) => view.node === node);
      memory.beginStep(left.map((view) => ({ ...view, promisedReign: Number.MAX_SAFE_INTEGER as Reign })));
    }
  }

  #noteElections(epoch: number, { node, role, reign, promisedReign }: NodeView): void {
    this.reigns.add(`${epoch}/${promisedReign}`);
    if (role !== 'leader') return;
    const last = this.leaders.at(-1);
    const isNew = last === undefined || epoch > last.epoch || (epoch === last.epoch && reign > last.reign);
    if (isNew) this.leaders.push({ node, epoch, reign });
  }
}

/** The members as the epoch's founding made them, told from the first of them that was seen in it. */
function foundingViews(members: readonly NodeId[], first: NodeView): NodeView[] {
  const appointed = first.role === 'leader' ? first.node : first.votedFor;
  const base = first.snapshotIndex;
  return members.map((node) => ({
    node,
    life: 0,
    role: 'follower',
    leader: appointed,
    reign: first.promisedReign,
    promisedReign: first.promisedReign,
    votedFor: appointed,
    commitIndex: base,
    lastIndex: base,
    snapshotIndex: base,
    appliedIndex: base,
    entriesAbove: () => [],
  }));
}
