/**
 * The state of one Raft server, and what does not depend on its role. [Raft fig. 2]
 */
import { assertNever, invariant, type NodeId, type Random, seededRandom } from '@quorate/core';
import type { LastWords } from '../last-words.ts';
import type {
  Effect,
  Entry,
  Founding,
  LogIndex,
  PageLimits,
  ProtocolInspection,
  ProtocolOptions,
  ProtocolStatus,
  RecoveredState,
  Role,
} from '../protocol.ts';
import { Durability, type WriteContext } from './durability.ts';
import { decodeHardState, encodeHardState } from './hard-state.ts';
import type { LeaseBook } from './leader-lease.ts';
import type { Transfer } from './leadership-transfer.ts';
import { RaftLog, type Term } from './log.ts';
import type { RaftMessage } from './message.ts';
import type { Progress } from './progress.ts';
import type { Rest } from './quiescence.ts';
import type { ReadQueue } from './read-index.ts';
import { neverStalled, type StandBack } from './stand-back.ts';

export interface Follower {
  readonly name: 'follower';
  /** The leader of the current term, once it was heard. */
  readonly leader: NodeId | undefined;
  /** The leader said that it falls silent: no timer runs. */
  rests: boolean;
}

/** Asks for votes, or for pre-votes. Votes are a set: a duplicate must not count twice. */
export interface Campaigner {
  readonly name: 'pre-candidate' | 'candidate';
  readonly grantedBy: Set<NodeId>;
  /** Whoever answered, yes or no; the others are asked again. */
  readonly answeredBy: Set<NodeId>;
  /** The term whose leader asked this server to stand; 0 when it stands by itself. */
  readonly gaveWay: Term;
  askAgainAtMs: number;
  /** Until then a pre-candidate has a rival wait whose log is as good; see {@link hasPrecedence}. */
  insistsUntilMs: number;
}

export interface Leader {
  readonly name: 'leader';
  /** One per peer, in the order of the members. */
  readonly progress: ReadonlyMap<NodeId, Progress>;
  readonly reads: ReadQueue;
  readonly lease: LeaseBook;
  transfer: Transfer | undefined;
  readonly rest: Rest;
  /** The newest heartbeat round that was sent. */
  round: number;
  heartbeatDueMs: number;
  /** Payload bytes of the entries above commitIndex. */
  uncommittedBytes: number;
}

export interface RaftState {
  readonly options: ProtocolOptions;
  /** The members without this server, sorted. */
  readonly peers: readonly NodeId[];
  readonly random: Random;
  readonly log: RaftLog;
  readonly durability: Durability;
  /** Latest term this server has seen. Never decreases. */
  currentTerm: Term;
  /** Who got this server's vote in currentTerm. Set at most once a term. */
  votedFor: NodeId | undefined;
  /** Highest index known to be committed, and emitted as such. Never decreases. */
  commitIndex: LogIndex;
  role: Follower | Campaigner | Leader;
  /** Unless this server leads: when it stands for election. */
  electionDueMs: number;
  /** When a leader was last heard. */
  lastHeardLeaderMs: number;
  /** The term of that leader; after a start, the newest that it can have been. */
  lastHeardLeaderTerm: Term;
  readonly lastWords: LastWords;
  readonly standBack: StandBack;
  nowMs: number;
  /** The epoch has just been founded with this server as its first leader: it leads from its first step on. */
  isAppointed: boolean;
  /** What the last `role` effect said. */
  told: Pick<ProtocolStatus, 'role' | 'leader' | 'reign'>;
}

/** Pushed to by every handler, in the order in which things shall happen. */
export type Effects = Effect<RaftMessage>[];

export function start(options: ProtocolOptions, recovered: RecoveredState, nowMs: number): RaftState {
  const { members, self } = options;
  invariant(members.includes(self), 'a server is one of the members');
  const snapshot = { index: recovered.snapshot.index, term: recovered.snapshot.reign };
  const log = new RaftLog(snapshot, recovered.entries);
  const { currentTerm, votedFor } =
    recovered.hardState === undefined
      ? { currentTerm: 0 as Term, votedFor: undefined }
      : decodeHardState(recovered.hardState);
  invariant(currentTerm >= log.last.term, 'the hard state is as new as the log');
  const state: RaftState = {
    options,
    peers: members.filter((member) => member !== self),
    random: seededRandom(options.seed),
    log,
    durability: new Durability({ lastIndex: log.lastIndex, term: currentTerm }),
    currentTerm,
    votedFor,
    commitIndex: snapshot.index,
    role: { name: 'follower', leader: undefined, rests: false },
    // Alone there is nobody to wait for.
    electionDueMs: members.length === 1 ? nowMs : nowMs + (options.firstTurnMs ?? 0),
    // A leader may have been heard just before the restart. Whoever it was must not lose its
    // followers' loyalty through that.
    lastHeardLeaderMs: nowMs,
    lastHeardLeaderTerm: currentTerm,
    lastWords: new Map(),
    standBack: neverStalled(),
    nowMs,
    isAppointed: options.isAppointed ?? false,
    told: { role: 'follower', leader: undefined, reign: currentTerm },
  };
  if (state.peers.length > 0 && options.firstTurnMs === undefined) resetElectionTimer(state);
  return state;
}

export const foundingTerm = 1 as Term;

/**
 * Every member has voted for the appointed server in the first term: the election is over before it begins.
 * Whoever comes in a later term has not voted in that one.
 */
export function foundingHardState({ appointed, reign }: Founding): Uint8Array {
  if (reign > foundingTerm) return encodeHardState({ currentTerm: reign, votedFor: undefined });
  return encodeHardState({ currentTerm: foundingTerm, votedFor: appointed });
}

/** Draws a new election timeout from now on. [Raft §5.2] */
export function resetElectionTimer(state: RaftState): void {
  const [min, max] = state.options.electionTimeoutMs;
  state.electionDueMs = state.nowMs + min + state.random.next() * (max - min);
}

/** When this server stands for `gone`: the members do one after the other, so as not to take each other's votes. */
export function ownTurnMs({ nowMs, options }: RaftState, gone: NodeId): number {
  const { members, self, heartbeatMs } = options;
  const rank = members.filter((member) => member !== gone).indexOf(self);
  return nowMs + (rank * heartbeatMs) / 5;
}

/** Commits up to `index` and says so; nothing happens when that is no news. */
export function commitTo(state: RaftState, index: LogIndex, effects: Effects): void {
  if (index <= state.commitIndex) return;
  const entries = state.log.between({ from: (state.commitIndex + 1) as LogIndex, to: index });
  state.commitIndex = index;
  effects.push({ type: 'committed', entries });
  if (state.role.name === 'leader') {
    for (const { payload } of entries) state.role.uncommittedBytes -= payload.byteLength;
  }
}

export function writeContext(state: RaftState): WriteContext {
  const { currentTerm, votedFor, log, nowMs } = state;
  return { hardState: { currentTerm, votedFor }, lastIndex: log.lastIndex, nowMs };
}

export function status(state: RaftState): ProtocolStatus {
  return {
    role: neutralRole(state.role),
    leader: knownLeader(state),
    reign: state.currentTerm,
    commitIndex: state.commitIndex,
    lastIndex: state.log.lastIndex,
    snapshotIndex: state.log.snapshot.index,
    rests: restsNow(state),
  };
}

function restsNow({ role }: RaftState): boolean {
  if (role.name === 'leader') return role.rest.isSilent;
  return role.name === 'follower' && role.rests;
}

export function committedFrom(
  { log, commitIndex }: RaftState,
  from: LogIndex,
  limits: PageLimits,
): readonly Entry[] | undefined {
  if (from <= log.snapshot.index) return undefined;
  if (from > commitIndex) return [];
  return log.batch(from, limits).filter(({ index }) => index <= commitIndex);
}

export function inspect(state: RaftState): ProtocolInspection {
  const { log, currentTerm, votedFor } = state;
  const { role, leader, reign, commitIndex, lastIndex, snapshotIndex } = status(state);
  return {
    role,
    leader,
    reign,
    commitIndex,
    lastIndex,
    snapshotIndex,
    entriesAbove(index) {
      const from = (Math.max(index, log.snapshot.index) + 1) as LogIndex;
      return from > log.lastIndex ? [] : log.between({ from, to: log.lastIndex });
    },
    promisedReign: currentTerm,
    votedFor,
  };
}

export function knownLeader({ role, options }: RaftState): NodeId | undefined {
  switch (role.name) {
    case 'leader':
      return options.self;
    case 'follower':
      return role.leader;
    case 'pre-candidate':
    case 'candidate':
      return undefined;
    default:
      return assertNever(role, 'role');
  }
}

export function neutralRole({ name }: RaftState['role']): Role {
  return name === 'pre-candidate' ? 'candidate' : name;
}
