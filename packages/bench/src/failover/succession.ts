/**
 * The succession of a leader as the app hears of it: when its thread was seen to have ended, and who led next.
 */
import type { Cluster, ClusterEvents } from '@quorate/consensus';

export interface Succession {
  /** When each new leader was heard of, in order. */
  readonly leadersAfterMs: readonly number[];
  /** When the old leader's thread was heard to have ended; null: it was not. */
  nodeDownAfterMs(): number | null;
  /** Hears no more. */
  stop(): void;
}

/** @param elapsedMs the time since the strike */
export function watchSuccession(
  cluster: Pick<Cluster, 'on' | 'off'>,
  old: { readonly leader: string; readonly term: number },
  elapsedMs: () => number,
): Succession {
  const leadersAfterMs: number[] = [];
  let downAfterMs: number | null = null;
  const onLeader = ({ node, term }: ClusterEvents['leader'][0]): void => {
    // Late news of the old leader's own rule is no succession.
    if (node === old.leader || term <= old.term) return;
    leadersAfterMs.push(elapsedMs());
  };
  const onDown = ({ node }: ClusterEvents['node-down'][0]): void => {
    if (node === old.leader) downAfterMs ??= elapsedMs();
  };
  cluster.on('leader', onLeader).on('node-down', onDown);
  return {
    leadersAfterMs,
    nodeDownAfterMs: () => downAfterMs,
    stop: () => void cluster.off('leader', onLeader).off('node-down', onDown),
  };
}
