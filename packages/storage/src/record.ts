/**
 * The records of the log: everything durable that a node knows, apart from snapshots.
 *
 * Each record carries its group and its epoch. Replayed in physical order they give, for every
 * (group, epoch), its hard state, its snapshot position and its entries.
 */

/**
 * One entry of a group's log, as both protocols and the disk see it. An empty payload is a no-op.
 * The bytes of `payload` are opaque to the log and to the protocols.
 */
export interface LogEntry {
  /** Position in the log of its epoch; the first entry has 1. Raft: index. Paxos: slot. */
  readonly index: number;
  /** The reign under which the entry was last written. Raft: term. Paxos: the ballot it was accepted at. */
  readonly reign: number;
  /** The proposing leader's wall clock, milliseconds since 1970; 0 in a no-op. */
  readonly timeMs: number;
  readonly payload: Uint8Array;
}

/** Writes the entries at their indexes, replacing what stood there; entries are in ascending order, gaps allowed. */
export interface EntriesRecord {
  readonly type: 'entries';
  readonly group: number;
  readonly epoch: number;
  readonly entries: readonly LogEntry[];
}

/** Forgets every entry above `after`. */
export interface TruncateRecord {
  readonly type: 'truncate';
  readonly group: number;
  readonly epoch: number;
  readonly after: number;
}

/** Replaces the hard state: the protocol's own bytes (vote and term, promised ballot, sealed epoch). */
export interface HardStateRecord {
  readonly type: 'hard-state';
  readonly group: number;
  readonly epoch: number;
  readonly state: Uint8Array;
}

/**
 * A durable snapshot holds everything up to `index`: entries at or below it are forgotten, and with
 * `discardsLog` the entries above it too (they conflicted with an installed snapshot). One with a lower
 * index than an earlier one leaves the position where it is: what is forgotten does not come back.
 */
export interface SnapshotRecord {
  readonly type: 'snapshot';
  readonly group: number;
  readonly epoch: number;
  readonly index: number;
  readonly reign: number;
  readonly discardsLog: boolean;
}

/**
 * Everything of the group in `epoch` and in the epochs below it is gone: entries, hard state, snapshot
 * position. Epoch 0 is never forgotten: a group keeps there what outlives its epochs. Once an epoch is
 * forgotten no record may name it again; the log asserts it, and remembers it over restarts.
 */
export interface ForgetRecord {
  readonly type: 'forget';
  readonly group: number;
  /** At least 1. */
  readonly epoch: number;
}

/** What can be appended to a log. Replayed in physical order. */
export type LogRecord = EntriesRecord | TruncateRecord | HardStateRecord | SnapshotRecord | ForgetRecord;

/** What replay found for one (group, epoch). */
export interface RecoveredLog {
  readonly group: number;
  readonly epoch: number;
  readonly hardState: Uint8Array | undefined;
  /** Everything up to here is in a snapshot; index 0 and reign 0 when there is none. */
  readonly snapshot: { readonly index: number; readonly reign: number };
  /** Entries above the snapshot, ascending; contiguous for Raft, possibly with gaps for Multi-Paxos. */
  readonly entries: readonly LogEntry[];
}

type SnapshotPlace = RecoveredLog['snapshot'];

/** Which snapshot a log counts from after `record`: a lower index leaves the position where it is. */
export function countsFrom(present: SnapshotPlace, { index, reign }: SnapshotPlace): SnapshotPlace {
  return index >= present.index ? { index, reign } : present;
}
