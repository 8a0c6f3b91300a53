/** Beginnings that most cases share: a cluster in which somebody leads, and all are of one mind. */
import type { NodeId } from '@quorate/core';
import type { Effect } from '../protocol.ts';
import { ProtocolCluster } from './cluster.ts';
import type { ClusterSettings } from './cluster-settings.ts';
import { must, type Trial } from './conformance-case.ts';

export type AnyCluster = ProtocolCluster<unknown, unknown>;

export function clusterOf(
  { protocol }: Trial,
  nodes: number,
  settings: Omit<ClusterSettings<unknown, unknown>, 'protocol' | 'nodes'> = {},
): AnyCluster {
  return new ProtocolCluster({ protocol, nodes, ...settings });
}

/** Whether all that run know one leader, and have committed all that it has. */
export function isSettled(cluster: AnyCluster): boolean {
  const leader = cluster.leader();
  if (leader === undefined) return false;
  const { lastIndex } = cluster.status(leader);
  return runningNodes(cluster).every((member) => {
    const status = cluster.status(member);
    return status.leader === leader && status.commitIndex === lastIndex && status.lastIndex === lastIndex;
  });
}

/** Lets the cluster find its leader. @returns the leader */
export function settle(cluster: AnyCluster): NodeId {
  must(
    cluster.runUntil(() => isSettled(cluster)),
    'a cluster without faults comes to one leader and one log',
  );
  return cluster.leader() as NodeId;
}

export function runningNodes(cluster: AnyCluster): readonly NodeId[] {
  return cluster.members.filter((member) => cluster.isUp(member) && !cluster.node(member).paused);
}

export function othersThan(cluster: AnyCluster, node: NodeId): readonly NodeId[] {
  return cluster.members.filter((member) => member !== node);
}

/** Proposes until somebody takes it and all that run have committed it: the cluster works. */
export function commitEverywhere(cluster: AnyCluster, text: string): void {
  let attempt = 0;
  let nextMs = cluster.nowMs;
  const isEverywhere = cluster.runUntil(() => {
    const leader = cluster.leader();
    if (leader !== undefined && cluster.nowMs >= nextMs) {
      attempt += 1;
      nextMs = cluster.nowMs + 500;
      cluster.propose(leader, `${text}, attempt ${attempt}`);
    }
    return runningNodes(cluster).every((member) =>
      cluster.committedTexts(member).some((committed) => committed.startsWith(`${text}, attempt `)),
    );
  });
  must(isEverywhere, `the cluster goes on: '${text}' is committed everywhere`);
}

/** What `node` does from here on; the list grows. */
export function effectsOf(cluster: AnyCluster, node: NodeId): Effect<unknown>[] {
  const effects: Effect<unknown>[] = [];
  const before = cluster.onEffect;
  cluster.onEffect = (of, effect) => {
    before(of, effect);
    if (of === node) effects.push(effect);
  };
  return effects;
}

/** The first of the others. */
export function otherThan(cluster: AnyCluster, node: NodeId): NodeId {
  return othersThan(cluster, node)[0] as NodeId;
}
