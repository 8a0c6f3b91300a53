/**
 * Whether a cluster is whole: every node up, all under one leader, and nobody behind.
 */
import type { Cluster } from '@quorate/consensus';
import { type Clock, CodedError } from '@quorate/core';

type Status = ReturnType<Cluster['status']>;

/** Nodes tell how far they are every second heartbeat; asking more often than this shows nothing new. */
const pollMs = 5;

/**
 * Resolves, with the leader, when every node has applied what was committed at the call.
 * @throws CodedError `ERR_NO_QUORUM` when that takes longer than `withinMs`, saying how things stand
 */
export async function awaitWhole(
  cluster: Pick<Cluster, 'status'>,
  { clock, withinMs }: { readonly clock: Clock; readonly withinMs: number },
): Promise<{ readonly leader: string; readonly term: number }> {
  const deadlineMs = clock.nowMs() + withinMs;
  const { nodes } = cluster.status();
  const commitIndex = Math.max(...Object.values(nodes).map((node) => node.commitIndex));
  for (;;) {
    const status = cluster.status();
    const leader = leaderOfWhole(status, commitIndex);
    if (leader !== undefined) return leader;
    if (clock.nowMs() > deadlineMs) {
      const what = `the cluster did not become whole within ${withinMs} ms: ${describe(status)}`;
      throw new CodedError('ERR_NO_QUORUM', what, { withinMs });
    }
    await new Promise<void>((resolve) => clock.after(pollMs, resolve));
  }
}

/** Who leads, if all the others follow in the same term, however far they are. */
export function leaderInPlace(
  status: Pick<Status, 'leader' | 'nodes'>,
): { readonly leader: string; readonly term: number } | undefined {
  return leaderOfWhole(status, 0);
}

/** Who leads, if all the others follow in the same term and have applied everything up to `commitIndex`. */
export function leaderOfWhole(
  { leader, nodes }: Pick<Status, 'leader' | 'nodes'>,
  commitIndex: number,
): { readonly leader: string; readonly term: number } | undefined {
  const leads = leader === undefined ? undefined : nodes[leader];
  if (leader === undefined || leads?.role !== 'leader') return undefined;
  const isWhole = Object.entries(nodes).every(([name, { role, term, appliedIndex }]) => {
    const isInPlace = role === (name === leader ? 'leader' : 'follower');
    return isInPlace && term === leads.term && appliedIndex >= commitIndex;
  });
  return isWhole ? { leader, term: leads.term } : undefined;
}

function describe({ nodes }: Pick<Status, 'nodes'>): string {
  return Object.entries(nodes)
    .map(
      ([name, { role, term, appliedIndex }]) => `${name} is ${role} in term ${term}, applied ${appliedIndex}`,
    )
    .join('; ');
}
