/**
 * What a cluster tells of itself and of its groups, as its clients last heard it.
 */
import type { ErrorCode, NodeId } from '@quorate/core';
import type { ReplicaStatus } from '../replica/message.ts';
import type { Client } from './client.ts';

/** How a node stands in one group, as it last told. */
export interface NodeStatus {
  /** `down`: its thread has ended. `starting`: it has told nothing yet. `failed`: see `failure`. */
  readonly role: ReplicaStatus['role'] | 'down' | 'starting';
  /** Raft's term or Paxos's ballot, as one number that grows. */
  readonly term: number;
  /** Everything up to this index of the log is committed, as far as it knows. */
  readonly commitIndex: number;
  /** Everything up to this index is in its state. */
  readonly appliedIndex: number;
  /** Messages that waited for the replica. */
  readonly mailboxDepth: number;
  /** Why the replica stopped, when it did. */
  readonly failure: { readonly code: ErrorCode; readonly message: string } | undefined;
}

/** Of one group; a cluster's own status is that of its first. */
export interface ClusterStatus {
  /** `raft`, `multi-paxos`, or the URL of a module. */
  readonly algorithm: string;
  /** The voters of the epoch. */
  readonly members: readonly string[];
  /** Whom the client believes to lead; undefined while nobody is known to. */
  readonly leader: string | undefined;
  /** 1 for the first; each change adds one. */
  readonly epoch: number;
  /** As each node last told; nodes tell when their role changes, and of progress a few times a second. */
  readonly nodes: Readonly<Record<string, NodeStatus>>;
}

/** What the app's thread knows of nodes without asking them. */
export interface NodesSeen {
  readonly nodes: readonly NodeId[];
  readonly down: ReadonlySet<string>;
  /** Nodes whose replicas could not be opened on what their directory holds. */
  readonly unopened: ReadonlyMap<string, NonNullable<NodeStatus['failure']>>;
}

/** @param founding the epoch as the directory has it, for as long as no replica has told of another */
export function statusOf(
  client: Client,
  founding: Pick<ClusterStatus, 'epoch' | 'algorithm' | 'members'>,
  seen: NodesSeen,
): ClusterStatus {
  const { epoch, algorithm, members } = client.epoch ?? founding;
  const nodes = Object.fromEntries(
    seen.nodes.map((node) => [node, nodeStatus(node, client.statuses.get(node), seen)]),
  );
  return { algorithm, members, leader: client.leader, epoch, nodes };
}

function nodeStatus(
  node: NodeId,
  status: ReplicaStatus | undefined,
  { down, unopened }: NodesSeen,
): NodeStatus {
  const failure = unopened.get(node);
  const role = down.has(node) ? 'down' : failure === undefined ? (status?.role ?? 'starting') : 'failed';
  return {
    role,
    term: status?.reign ?? 0,
    commitIndex: status?.commitIndex ?? 0,
    appliedIndex: status?.appliedIndex ?? 0,
    mailboxDepth: status?.mailboxDepth ?? 0,
    failure: failure ?? status?.failure,
  };
}
