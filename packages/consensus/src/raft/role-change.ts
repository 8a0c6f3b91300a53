/**
 * The four changes of role, each with all that it does to the state and none of what is said because of it.
 * [Raft §5.1, §5.2]
 */
import { invariant, type NodeId } from '@quorate/core';
import type { LogIndex } from '../protocol.ts';
import { newLeaseBook } from './leader-lease.ts';
import type { Term } from './log.ts';
import { newProgress, type Progress } from './progress.ts';
import { ReadQueue } from './read-index.ts';
import { checkTransition, type RoleEvent } from './role-table.ts';
import { noteDiskStalled } from './stand-back.ts';
import { type Campaigner, type Effects, type Leader, type RaftState, resetElectionTimer } from './state.ts';

type ReasonToFollow = Extract<
  RoleEvent,
  'higher-term' | 'leader-heard' | 'leader-down' | 'quorum-lost' | 'disk-stalled'
>;

/** Follows `leader`, or nobody yet. A new term comes with a free vote. */
export function becomeFollower(
  state: RaftState,
  because: ReasonToFollow,
  to: { readonly term: Term; readonly leader: NodeId | undefined },
  effects: Effects,
): void {
  checkTransition(state.role.name, because, 'follower');
  invariant(to.term >= state.currentTerm, 'terms never decrease');
  if (to.term > state.currentTerm) {
    state.currentTerm = to.term;
    state.votedFor = undefined;
    state.durability.changeHardState();
  }
  // No timer ran until now.
  if (state.role.name === 'follower' && state.role.rests) resetElectionTimer(state);
  if (state.role.name === 'leader') {
    for (const read of state.role.reads.unanswered()) effects.push({ type: 'read-refused', read });
    resetElectionTimer(state);
    // Alone there is nobody to leave an election to.
    if (because === 'disk-stalled' && state.peers.length > 0) {
      noteDiskStalled(state.standBack, state.nowMs, state.options.electionTimeoutMs[1]);
    }
  }
  state.role = { name: 'follower', leader: to.leader, rests: false };
}

/** Insists on its turn for as long as an answer may take, and once: perhaps others can win where it cannot. */
export function becomePreCandidate(state: RaftState): Campaigner {
  checkTransition(state.role.name, 'election-due', 'pre-candidate');
  const isFirstTry = state.role.name === 'follower';
  resetElectionTimer(state);
  const campaigner = campaignAs(state, 'pre-candidate', [state.options.self], 0 as Term);
  if (isFirstTry) campaigner.insistsUntilMs = state.nowMs + state.options.heartbeatMs;
  return campaigner;
}

/**
 * Stands in a new term. The own vote counts when it is durable, like any other.
 * @param gaveWay the term whose leader asked for it; 0 for none
 */
export function becomeCandidate(state: RaftState, gaveWay: Term): Campaigner {
  checkTransition(state.role.name, gaveWay > 0 ? 'leader-gave-way' : 'pre-votes-won', 'candidate');
  state.currentTerm = (state.currentTerm + 1) as Term;
  state.votedFor = state.options.self;
  state.durability.changeHardState();
  resetElectionTimer(state);
  return campaignAs(state, 'candidate', [], gaveWay);
}

export function becomeLeader(state: RaftState, because: 'votes-won' | 'appointed'): Leader {
  checkTransition(state.role.name, because, 'leader');
  const lastIndex: LogIndex = state.log.lastIndex;
  const { appendsInFlightMax } = state.options;
  const progress = new Map<NodeId, Progress>();
  for (const peer of state.peers) progress.set(peer, newProgress(lastIndex, appendsInFlightMax, state.nowMs));
  const leader: Leader = {
    name: 'leader',
    progress,
    reads: new ReadQueue(),
    lease: newLeaseBook(),
    transfer: undefined,
    rest: { isSilent: false, round: 0, activeAtMs: state.nowMs },
    round: 0,
    heartbeatDueMs: state.nowMs,
    uncommittedBytes: state.log.bytesAfter(state.commitIndex),
  };
  state.role = leader;
  return leader;
}

function campaignAs(
  state: RaftState,
  name: Campaigner['name'],
  grantedBy: readonly NodeId[],
  gaveWay: Term,
): Campaigner {
  const campaigner: Campaigner = {
    name,
    grantedBy: new Set(grantedBy),
    answeredBy: new Set(),
    gaveWay,
    askAgainAtMs: state.nowMs + state.options.heartbeatMs,
    insistsUntilMs: state.nowMs,
  };
  state.role = campaigner;
  return campaigner;
}
