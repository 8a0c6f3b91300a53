/**
 * The learner: a replica without a voice. It asks the members of its epoch for what they have committed, makes
 * it durable and applies it, under every protocol alike.
 *
 * It stands behind the same interface as the protocols, so a replica runs it as it runs them. It holds only
 * what is chosen: there is nothing to vote on, nothing to truncate, and nothing that a crash could make
 * it break. [PaxosSimple §2.3], [RaftThesis §4.2.1]
 */
import { assertNever, invariant, type NodeId, type Random, seededRandom } from '@quorate/core';
import type {
  Effect,
  Entry,
  Input,
  LogIndex,
  Protocol,
  ProtocolOptions,
  ProtocolStatus,
  RecoveredState,
  Reign,
} from '../protocol.ts';
import { decodeMessage, encodeMessage, type LearnerMessage, type Page } from './message.ts';

/** Pages under way to the disk before the learner asks for more. */
const unsyncedPagesMax = 8;

export interface LearnerState {
  readonly options: ProtocolOptions;
  readonly diskId: string;
  readonly random: Random;
  /** Everything up to here is held, and emitted as committed. */
  learnedUpTo: LogIndex;
  snapshotIndex: LogIndex;
  /** The reign of the newest entry learned. */
  reign: Reign;
  /** Whom it asks, until that one stays silent. */
  teacher: NodeId;
  /** When the teacher is asked, or asked again. */
  askAtMs: number;
  silentAskings: number;
  lastMark: number;
  durableMark: number;
  /** What was recovered: chosen, every one, and told in the first step. */
  recovered: readonly Entry[];
}

type Effects = Effect<LearnerMessage>[];

/** The learner of a node on this disk. */
export function learnerOn(diskId: string): Protocol<LearnerState, LearnerMessage> {
  return {
    name: 'learner',
    start: (options, recovered, nowMs) => start(diskId, options, recovered, nowMs),
    step,
    status,
    // It holds nothing that it would have to remember beside the entries.
    foundingHardState: () => new Uint8Array(0),
    committedFrom: () => undefined,
    encodeMessage,
    decodeMessage,
    inspect: (state) => ({
      ...status(state),
      entriesAbove: () => [],
      promisedReign: 0 as Reign,
      votedFor: undefined,
    }),
  };
}

function start(
  diskId: string,
  options: ProtocolOptions,
  recovered: RecoveredState,
  nowMs: number,
): LearnerState {
  const random = seededRandom(options.seed);
  const teachers = teachersIn(options);
  const teacher = teachers[random.below(teachers.length)];
  invariant(teacher !== undefined, 'an epoch has members to learn from');
  return {
    options,
    diskId,
    random,
    learnedUpTo: recovered.snapshot.index,
    snapshotIndex: recovered.snapshot.index,
    reign: recovered.entries.at(-1)?.reign ?? recovered.snapshot.reign,
    teacher,
    askAtMs: nowMs,
    silentAskings: 0,
    lastMark: 0,
    durableMark: 0,
    recovered: recovered.entries,
  };
}

function step(state: LearnerState, input: Input<LearnerMessage>, nowMs: number, effects: Effects): void {
  if (state.recovered.length > 0) {
    const { recovered } = state;
    state.recovered = [];
    commit(state, recovered, effects);
  }
  switch (input.type) {
    case 'tick':
      if (nowMs >= state.askAtMs) ask(state, nowMs, effects);
      return;
    case 'receive':
      if (input.message.type === 'page' && state.options.members.includes(input.from))
        onPage(state, input.message, nowMs, effects);
      return;
    case 'persisted':
      state.durableMark = input.mark;
      return;
    case 'propose':
      effects.push({ type: 'refused', reason: 'not-leader' });
      return;
    case 'read':
      effects.push({ type: 'read-refused', read: input.read });
      return;
    case 'snapshot-received':
      onSnapshotReceived(state, input.last, nowMs, effects);
      return;
    case 'compacted':
      state.snapshotIndex = input.index;
      return;
    case 'peer-down':
    case 'peer-silent':
      if (input.peer === state.teacher) changeTeacher(state, nowMs);
      return;
    case 'transfer':
    case 'seal':
    case 'announce':
    case 'snapshot-sent':
      return;
    default:
      assertNever(input, 'input');
  }
}

function ask(state: LearnerState, nowMs: number, effects: Effects): void {
  const { heartbeatMs, members } = state.options;
  // The disk is behind: what comes would only wait in memory.
  if (state.lastMark - state.durableMark >= unsyncedPagesMax) return;
  if (state.silentAskings >= 3 && members.length > 1) changeTeacher(state, nowMs);
  state.silentAskings += 1;
  state.askAtMs = nowMs + heartbeatMs;
  const from = (state.learnedUpTo + 1) as LogIndex;
  effects.push({ type: 'send', to: state.teacher, message: { type: 'ask', from, diskId: state.diskId } });
}

function onPage(state: LearnerState, page: Page, nowMs: number, effects: Effects): void {
  state.silentAskings = 0;
  const learnedBefore = state.learnedUpTo;
  const fresh = page.entries.filter(({ index }) => index > state.learnedUpTo);
  const first = fresh[0];
  if (first !== undefined && first.index === state.learnedUpTo + 1) {
    state.lastMark += 1;
    effects.push({ type: 'persist', mark: state.lastMark, entries: fresh, thenSend: [] });
    commit(state, fresh, effects);
  }
  const isBehind = page.commitIndex > state.learnedUpTo;
  // The bulk may come from anyone; that it has caught up has to be seen by whoever can give it a voice.
  if (!isBehind && page.leader !== undefined && state.options.members.includes(page.leader))
    state.teacher = page.leader;
  // There is more: at once, but only for a page that brought something. A page that came twice would ask a second
  // time for what is asked for already, and the answers would multiply.
  const mayAskAtOnce = isBehind && state.learnedUpTo > learnedBefore;
  if (!isBehind) state.askAtMs = nowMs + state.options.heartbeatMs / 5;
  if (mayAskAtOnce) ask(state, nowMs, effects);
}

function commit(state: LearnerState, entries: readonly Entry[], effects: Effects): void {
  const first = entries[0];
  const last = entries.at(-1);
  if (first === undefined || last === undefined) return;
  invariant(first.index === state.learnedUpTo + 1, 'a learner learns one entry after the other');
  state.learnedUpTo = last.index;
  state.reign = last.reign;
  effects.push({ type: 'committed', entries });
}

function onSnapshotReceived(
  state: LearnerState,
  last: { readonly index: LogIndex; readonly reign: Reign },
  nowMs: number,
  effects: Effects,
): void {
  state.askAtMs = nowMs;
  if (last.index <= state.learnedUpTo) return;
  state.learnedUpTo = last.index;
  state.snapshotIndex = last.index;
  state.reign = last.reign;
  state.lastMark += 1;
  effects.push({ type: 'install', mark: state.lastMark, snapshot: last, discardsLog: true, thenSend: [] });
}

/** A member on a new disk bears a member's name, and knows nothing that it could teach itself. */
function teachersIn({ self, members }: ProtocolOptions): readonly NodeId[] {
  const others = members.filter((member) => member !== self);
  return others.length === 0 ? members : others;
}

function changeTeacher(state: LearnerState, nowMs: number): void {
  const others = teachersIn(state.options).filter((member) => member !== state.teacher);
  state.teacher = others[state.random.below(Math.max(others.length, 1))] ?? state.teacher;
  state.silentAskings = 0;
  state.askAtMs = nowMs;
}

function status(state: LearnerState): ProtocolStatus {
  return {
    role: 'learner',
    leader: undefined,
    reign: state.reign,
    commitIndex: state.learnedUpTo,
    lastIndex: state.learnedUpTo,
    snapshotIndex: state.snapshotIndex,
  };
}
