/**
 * The outbox: what a step says to the outside, with one write at most for all that it must make durable.
 *
 * A message that promises something (a promise, an acceptance, a prepare that stands on the proposer's
 * own promise) goes into the write and leaves after it; the rest leaves at once.
 */
import type { NodeId } from '@quorate/core';
import type { Effect, Entry, Outgoing } from '../protocol.ts';
import type { Ballot, Slot } from './ballot.ts';
import { encodeHardState } from './hard-state.ts';
import type { MultiPaxosMessage } from './message.ts';
import type { MultiPaxosState } from './state.ts';

/** Slots chosen since the hint on disk was written, from which on the next write brings it up to date. */
const staleHintSlots = 256;

export interface Outbox {
  /** Where the effects of the step in progress go. */
  effects: Effect<MultiPaxosMessage>[];
  hardStateChanged: boolean;
  entries: Entry[];
  thenSend: Outgoing<MultiPaxosMessage>[];
  lastMark: number;
  durableMark: number;
  /** Since when writes have been outstanding without one of them being completed. */
  waitingSinceMs: number;
  /** The values up to here are durable in this log as they were chosen: what the hint may say. */
  durableChosenUpTo: Slot;
  /** Will become `durableChosenUpTo` when the mark is durable. */
  nextDurableChosen: { readonly mark: number; readonly upTo: Slot } | undefined;
  hintOnDisk: Slot;
  /** The installation that the snapshot of this node waits for; until it is durable there is none to send. */
  installMark: number;
}

export function newOutbox(durableChosenUpTo: Slot): Outbox {
  return {
    effects: [],
    hardStateChanged: false,
    entries: [],
    thenSend: [],
    lastMark: 0,
    durableMark: 0,
    waitingSinceMs: 0,
    durableChosenUpTo,
    nextDurableChosen: undefined,
    hintOnDisk: durableChosenUpTo,
    installMark: 0,
  };
}

/** Leaves at once: for messages that promise nothing that is not durable already. */
export function send(state: MultiPaxosState, to: NodeId, message: MultiPaxosMessage): void {
  state.outbox.effects.push({ type: 'send', to, message });
}

/** Leaves when this step's write, and every earlier one, is durable. */
export function sendOnceDurable(state: MultiPaxosState, to: NodeId, message: MultiPaxosMessage): void {
  state.outbox.thenSend.push({ to, message });
}

/** Writes what an acceptor accepted, or a learner learned, into its slot. */
export function writeEntry(state: MultiPaxosState, entry: Entry): void {
  state.log.put(entry);
  state.outbox.entries.push(entry);
}

/** The mark under which this step's write will be durable. */
export function markOfThisStep(state: MultiPaxosState): number {
  return state.outbox.lastMark + 1;
}

/** Emits the write of this step, if it has one. */
export function flush(state: MultiPaxosState): void {
  const { outbox } = state;
  if (!outbox.hardStateChanged && outbox.entries.length === 0) {
    // With nothing to write, now or before, what had to be durable is.
    if (outbox.durableMark === outbox.lastMark) {
      for (const { to, message } of outbox.thenSend) send(state, to, message);
      outbox.thenSend = [];
    }
    if (outbox.thenSend.length === 0) return;
  }
  const hintIsStale = outbox.durableChosenUpTo - outbox.hintOnDisk >= staleHintSlots;
  const mark = nextMark(state);
  const { entries, thenSend } = outbox;
  if (outbox.hardStateChanged || hintIsStale) {
    const hardState = encodeHardState({ promised: state.promised, chosenUpTo: outbox.durableChosenUpTo });
    outbox.hintOnDisk = outbox.durableChosenUpTo;
    outbox.effects.push({ type: 'persist', mark, hardState, entries, thenSend });
  } else {
    outbox.effects.push({ type: 'persist', mark, entries, thenSend });
  }
  outbox.hardStateChanged = false;
  outbox.entries = [];
  outbox.thenSend = [];
  outbox.nextDurableChosen ??= { mark, upTo: state.chosenUpTo };
}

/** Emits the installation of a snapshot, behind everything that was to be written before it. */
export function emitInstall(
  state: MultiPaxosState,
  snapshot: { readonly index: Slot; readonly reign: Ballot },
): void {
  flush(state);
  const mark = nextMark(state);
  state.outbox.installMark = mark;
  // The acceptor keeps what it accepted above the snapshot: those values may be chosen with its voice.
  state.outbox.effects.push({ type: 'install', mark, snapshot, discardsLog: false, thenSend: [] });
}

function nextMark(state: MultiPaxosState): number {
  const { outbox } = state;
  if (outbox.durableMark === outbox.lastMark) outbox.waitingSinceMs = state.nowMs;
  outbox.lastMark += 1;
  return outbox.lastMark;
}

/** Notes that everything up to `mark` is durable. */
export function noteDurable(state: MultiPaxosState, mark: number): void {
  const { outbox } = state;
  if (mark <= outbox.durableMark) return;
  outbox.durableMark = mark;
  outbox.waitingSinceMs = state.nowMs;
  const next = outbox.nextDurableChosen;
  if (next !== undefined && mark >= next.mark) {
    outbox.durableChosenUpTo = next.upTo;
    outbox.nextDurableChosen = undefined;
  }
}

/** Whether the snapshot that stands for what is forgotten here is durable. */
export function snapshotIsDurable(state: MultiPaxosState): boolean {
  return state.outbox.installMark <= state.outbox.durableMark;
}

/** How long the oldest write has been under way without any progress of the disk; 0 when none is. */
export function diskSilenceMs(state: MultiPaxosState): number {
  const { lastMark, durableMark, waitingSinceMs } = state.outbox;
  return durableMark === lastMark ? 0 : state.nowMs - waitingSinceMs;
}
