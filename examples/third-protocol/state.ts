/** What a node of the fixed-leader protocol knows, and the few things that leader and follower do alike. */
import type {
  Effect,
  Entry,
  LogIndex,
  Outgoing,
  ProtocolOptions,
  ProtocolStatus,
  RecoveredState,
  Reign,
  Role,
} from '@quorate/consensus';
import { decodeValue, encodeValue, integer, invariant, type NodeId, text, tuple } from '@quorate/core';
import type { Message } from './message.ts';

export type Effects = Effect<Message>[];

/** What the leader knows of one follower. */
export interface Follower {
  /** Durable there. */
  match: LogIndex;
  /** What is sent next. */
  next: LogIndex;
  ackedRound: number;
  sentMs: number;
  /** Entries up to `next` are under way: no more are sent until they are acknowledged, or taken for lost. */
  isWaiting: boolean;
  hasSnapshotUnderWay: boolean;
}

export interface PendingRead {
  readonly read: number;
  readonly round: number;
}

export interface State {
  readonly options: ProtocolOptions;
  /** Who leads this epoch, for good. */
  readonly appointed: NodeId;
  role: Role;
  leader: NodeId | undefined;
  /** Each life of the leader is a reign of its own. */
  reign: Reign;
  snapshot: { readonly index: LogIndex; readonly reign: Reign };
  /** Above the snapshot, without a gap. The leader's durable log is never shorter than a follower's. */
  log: Entry[];
  commitIndex: LogIndex;
  /** Up to here the own log is durable. */
  durableIndex: LogIndex;
  lastMark: number;
  /** The last index of each write that is not durable yet. */
  unsynced: { readonly mark: number; readonly lastIndex: LogIndex }[];
  /** The last entry that was recovered: what came before it may have been committed, and reads have to see it. */
  readonly recoveredIndex: LogIndex;
  uncommittedBytes: number;
  round: number;
  reads: PendingRead[];
  readonly followers: Map<NodeId, Follower>;
}

const hardStateFields = tuple(integer<Reign>(), text(255));

export function encodeHardState(reign: Reign, appointed: NodeId): Uint8Array {
  return encodeValue([reign, appointed]);
}

export function start(options: ProtocolOptions, recovered: RecoveredState): State {
  const { hardState, snapshot, entries } = recovered;
  const first = options.members[0];
  invariant(first !== undefined, 'an epoch has members');
  const [reign, appointed] =
    hardState === undefined ? [0 as Reign, first] : hardStateFields(decodeValue(hardState), 'hard state');
  const lastIndex = entries.at(-1)?.index ?? snapshot.index;
  return {
    options,
    appointed: appointed as NodeId,
    role: 'follower',
    leader: undefined,
    reign,
    snapshot,
    log: [...entries],
    commitIndex: snapshot.index,
    durableIndex: lastIndex,
    lastMark: 0,
    unsynced: [],
    recoveredIndex: lastIndex,
    uncommittedBytes: 0,
    round: 0,
    reads: [],
    followers: new Map(),
  };
}

export function status(state: State): ProtocolStatus {
  const { role, leader, reign, commitIndex, snapshot } = state;
  return { role, leader, reign, commitIndex, lastIndex: lastIndex(state), snapshotIndex: snapshot.index };
}

export function lastIndex({ log, snapshot }: State): LogIndex {
  return log.at(-1)?.index ?? snapshot.index;
}

/** Entries from `from` to `to`, as many as the limits allow, and one at least if there is one. */
export function entriesFrom(
  { log, snapshot }: State,
  range: { readonly from: LogIndex; readonly to: LogIndex },
  limits: { readonly bytesMax: number; readonly entriesMax: number },
): Entry[] {
  const found: Entry[] = [];
  let bytes = 0;
  for (let at = range.from - snapshot.index - 1; at < range.to - snapshot.index; at++) {
    const entry = log[at];
    if (entry === undefined || found.length === limits.entriesMax) break;
    bytes += entry.payload.byteLength;
    if (found.length > 0 && bytes > limits.bytesMax) break;
    found.push(entry);
  }
  return found;
}

export function persist(
  state: State,
  write: {
    readonly hardState?: Uint8Array;
    readonly entries: readonly Entry[];
    readonly thenSend: readonly Outgoing<Message>[];
  },
  effects: Effects,
): void {
  state.log.push(...write.entries);
  state.lastMark += 1;
  state.unsynced.push({ mark: state.lastMark, lastIndex: lastIndex(state) });
  effects.push({ type: 'persist', mark: state.lastMark, ...write });
}

export function commitTo(state: State, index: LogIndex, effects: Effects): void {
  if (index <= state.commitIndex) return;
  const entries = state.log.slice(state.commitIndex - state.snapshot.index, index - state.snapshot.index);
  state.commitIndex = index;
  effects.push({ type: 'committed', entries });
}

/** A snapshot up to `index` holds what the log held: it goes. */
export function forgetUpTo(state: State, snapshot: State['snapshot']): void {
  state.log = state.log.slice(Math.max(0, snapshot.index - state.snapshot.index));
  state.snapshot = snapshot;
}
