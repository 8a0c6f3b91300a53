/** The public surface of `@quorate/consensus`. */
export { algorithms, loadProtocol } from './cluster/algorithm.ts';
export { Client, type ClientOptions } from './cluster/client.ts';
export {
  Cluster,
  type ClusterEvents,
} from './cluster/cluster.ts';
export type { ClusterStatus, NodeStatus } from './cluster/cluster-status.ts';
export { type DiskTraceLine, traceNowMs } from './cluster/disk-trace.ts';
export type { ClusterFaults, LinkFault } from './cluster/faults.ts';
export type { Group } from './cluster/group.ts';
export type { ClusterOptions, ClusterStorage } from './cluster/options.ts';
export type { QueryOptions } from './cluster/queries.ts';
export { Session } from './cluster/session.ts';
export { defaultSessionLimitsOfClient, type SessionLimitsOfClient } from './cluster/session-limits.ts';
export type { CallOptions } from './cluster/waiting-call.ts';
export { multiPaxos } from './multi-paxos/multi-paxos.ts';
export type * from './protocol.ts';
export { isMajority, majorityReached, majoritySize } from './quorum/majority.ts';
export { raft } from './raft/raft.ts';
export { clockRateRatioMax } from './replica/clock-bound.ts';
export {
  type ClientMessage,
  type Consistency,
  consistencies,
  type ReplicaMessage,
  type ReplicaStatus,
} from './replica/message.ts';
export { decodeClientMessage, decodeReplicaMessage } from './replica/message-codec.ts';
export { nodeActorName, type OpenNodeOptions, openNode } from './replica/open-node.ts';
export { type FirstEpoch, type OpenedReplica, replicaActorName } from './replica/open-replica.ts';
export { defaultTuning, type ReplicaTuning } from './replica/tuning.ts';
export {
  type AnswerOf,
  type ApplyContext,
  type CommandOf,
  type Digest,
  defineStateMachine,
  type QueryOf,
  type ResultOf,
  type SnapshotBytes,
  type StateMachine,
  type StateMachineDefinition,
  type StateMachineOptions,
} from './state-machine.ts';
