/**
 * The proposer until it leads: when it stands, the canvass, and phase 1 over all open slots at once.
 * [PaxosSimple §2.2, §3], [PaxosModerately]
 */
import type { NodeId } from '@quorate/core';
import { expectLastWords } from '../last-words.ts';
import { hasAcceptor, noAcceptors, withAcceptor } from './acceptor-set.ts';
import {
  forsakeLeader,
  hastenStanding,
  noteBallot,
  raisePromise,
  resetStandTimer,
  stopProposing,
} from './allegiance.ts';
import {
  type Ballot,
  ballotAbove,
  higherBallot,
  laterSlot,
  nextSlot,
  noBallot,
  type Slot,
} from './ballot.ts';
import { presentOf } from './hearing.ts';
import { beginToLead } from './leader.ts';
import { learnChosen } from './learner.ts';
import type { CanvassReply, HandOverMessage, MultiPaxosMessage, Nack, Promised } from './message.ts';
import { diskSilenceMs, markOfThisStep, send, sendOnceDurable } from './outbox.ts';
import { isPhase1Quorum } from './phase-quorums.ts';
import { notePeerGone } from './quiescence.ts';
import { canBeSucceeded, canvassSucceeded } from './stability.ts';
import { type Canvassing, idle, type MultiPaxosState, ordinalOf, type Preparing } from './state.ts';
import { ReportedValues } from './value-adoption.ts';

/** Time has passed for a proposer that does not lead. */
export function onProposerTick(state: MultiPaxosState): void {
  const { proposer } = state;
  if (state.nowMs >= state.standAtMs) {
    stand(state);
  } else if (proposer.phase === 'canvassing' && state.nowMs >= proposer.resendAtMs) {
    sendCanvass(state, proposer);
  } else if (proposer.phase === 'preparing' && state.nowMs >= proposer.resendAtMs) {
    resendPrepare(state, proposer);
  }
}

/** The leader is silent, or the last attempt came to nothing: asks who would promise. */
export function stand(state: MultiPaxosState): void {
  resetStandTimer(state);
  state.proposer = idle;
  state.leader = undefined;
  if (!isFitToLead(state)) return;
  state.canvassCount += 1;
  const canvassing: Canvassing = {
    phase: 'canvassing',
    canvass: state.canvassCount,
    granted: withAcceptor(noAcceptors, state.ordinal),
    resendAtMs: 0,
  };
  state.proposer = canvassing;
  sendCanvass(state, canvassing);
  prepareIfCanvassed(state, canvassing);
}

/** Whoever cannot make its own promise durable would raise its ballot, and lead nobody. */
function isFitToLead(state: MultiPaxosState): boolean {
  const [electionTimeoutMinMs] = state.options.electionTimeoutMs;
  return diskSilenceMs(state) < electionTimeoutMinMs && state.nowMs >= state.fitToLeadAtMs;
}

function sendCanvass(state: MultiPaxosState, canvassing: Canvassing): void {
  canvassing.resendAtMs = state.nowMs + state.options.heartbeatMs / 5;
  const fromSlot = nextSlot(state.chosenUpTo);
  for (const peer of state.peers) {
    if (hasAcceptor(canvassing.granted, ordinalOf(state, peer) ?? state.ordinal)) continue;
    send(state, peer, { type: 'canvass', canvass: canvassing.canvass, fromSlot });
  }
}

export function onCanvassReply(state: MultiPaxosState, from: NodeId, reply: CanvassReply): void {
  noteBallot(state, reply.promised);
  const { proposer } = state;
  const ordinal = ordinalOf(state, from);
  if (proposer.phase !== 'canvassing' || proposer.canvass !== reply.canvass) return;
  if (!reply.granted || ordinal === undefined) return;
  proposer.granted = withAcceptor(proposer.granted, ordinal);
  prepareIfCanvassed(state, proposer);
}

function prepareIfCanvassed(state: MultiPaxosState, canvassing: Canvassing): void {
  if (canvassSucceeded(canvassing.granted, state.quorums)) prepare(state, noBallot);
}

/** The leader of the promised ballot gives way to this node. Of any other ballot it says nothing new. */
export function onHandOver(state: MultiPaxosState, from: NodeId, { ballot }: HandOverMessage): void {
  if (state.leader !== from || state.promised !== ballot || !isFitToLead(state)) return;
  prepare(state, ballot);
}

/**
 * Phase 1(a), once for all open slots. The proposer is an acceptor too, and its own promise is what makes
 * its ballots grow over restarts: so that is durable before any prepare leaves. A ballot used twice
 * could carry two values.
 */
function prepare(state: MultiPaxosState, gaveWay: Ballot): void {
  const ballot = ballotAbove(higherBallot(state.promised, state.highestBallotSeen), state);
  raisePromise(state, ballot);
  state.rests = false;
  const fromSlot = nextSlot(state.chosenUpTo);
  state.proposer = {
    phase: 'preparing',
    ballot,
    fromSlot,
    gaveWay,
    promiseMark: markOfThisStep(state),
    promisedBy: noAcceptors,
    nextPages: new Map(),
    reported: new ReportedValues(),
    resendAtMs: state.nowMs + state.options.heartbeatMs,
  };
  resetStandTimer(state);
  // With nobody to tell, the promise alone is the write.
  for (const peer of state.peers) sendOnceDurable(state, peer, prepareMessage(state.proposer, fromSlot));
}

function resendPrepare(state: MultiPaxosState, preparing: Preparing): void {
  if (!hasAcceptor(preparing.promisedBy, state.ordinal)) return;
  preparing.resendAtMs = state.nowMs + state.options.heartbeatMs;
  for (const peer of state.peers) {
    if (hasAcceptor(preparing.promisedBy, ordinalOf(state, peer) ?? state.ordinal)) continue;
    send(state, peer, prepareMessage(preparing, pageWanted(state, preparing, peer)));
  }
}

function prepareMessage({ ballot, gaveWay }: Preparing, fromSlot: Slot): MultiPaxosMessage {
  return { type: 'prepare', ballot, fromSlot, gaveWay };
}

/** The proposer's own promise is durable: it counts as one acceptor's. */
export function onOwnPromiseDurable(state: MultiPaxosState, preparing: Preparing): void {
  preparing.promisedBy = withAcceptor(preparing.promisedBy, state.ordinal);
  leadIfPromised(state, preparing);
}

export function onPromise(state: MultiPaxosState, from: NodeId, message: Promised): void {
  const { proposer } = state;
  const ordinal = ordinalOf(state, from);
  // A promise for another ballot of this proposer says nothing about this one.
  if (proposer.phase !== 'preparing' || message.ballot !== proposer.ballot || ordinal === undefined) return;
  if (hasAcceptor(proposer.promisedBy, ordinal)) return;
  if (!bringsPage(message, pageWanted(state, proposer, from))) return;
  // A phase 1 that makes progress is not given up, however many pages it takes.
  resetStandTimer(state);
  for (const entry of message.accepted) proposer.reported.report(entry);
  learnChosen(
    state,
    message.accepted.filter((entry) => entry.index <= message.chosenUpTo),
  );
  if (message.nextPage === undefined) {
    proposer.promisedBy = withAcceptor(proposer.promisedBy, ordinal);
    leadIfPromised(state, proposer);
    return;
  }
  proposer.nextPages.set(from, message.nextPage);
  send(state, from, prepareMessage(proposer, pageWanted(state, proposer, from)));
}

/**
 * Whether a page of a promise has what is wanted next, be it from further back: what others reported meanwhile may
 * have told that slots are chosen, and this report of them was under way.
 */
function bringsPage({ fromSlot, nextPage }: Promised, wanted: Slot): boolean {
  return fromSlot <= wanted && (nextPage === undefined || nextPage > wanted);
}

/** Where the report of `acceptor` goes on; slots known to be chosen by now need no report. */
function pageWanted(state: MultiPaxosState, preparing: Preparing, acceptor: NodeId): Slot {
  const next = preparing.nextPages.get(acceptor) ?? preparing.fromSlot;
  return laterSlot(next, nextSlot(state.chosenUpTo));
}

function leadIfPromised(state: MultiPaxosState, preparing: Preparing): void {
  // Its own promise is needed in any case: it is also what its next ballot will have to be above.
  if (!hasAcceptor(preparing.promisedBy, state.ordinal)) return;
  if (isPhase1Quorum(preparing.promisedBy, state.quorums)) beginToLead(state, preparing);
}

/**
 * An acceptor has promised a higher ballot: it accepts nothing of this one any more. A leader makes way for a ballot
 * that all can obey, if there are enough to elect; otherwise its quorum goes on without that acceptor.
 */
export function onNack(state: MultiPaxosState, from: NodeId, message: Nack): void {
  noteBallot(state, message.promised);
  const { proposer } = state;
  if (proposer.phase !== 'preparing' && proposer.phase !== 'leading') return;
  if (message.ballot !== proposer.ballot || message.promised <= proposer.ballot) return;
  const ordinal = ordinalOf(state, from);
  if (proposer.phase === 'leading' && ordinal !== undefined) {
    const present = withAcceptor(presentOf(state, proposer), ordinal);
    if (!canBeSucceeded(present, state.quorums)) return;
  }
  stopProposing(state);
}

/** The thread of `peer` has ended. If it led, its followers need not wait for its silence. */
export function onPeerDown(state: MultiPaxosState, peer: NodeId): void {
  const { nowMs, options, lastWords } = state;
  expectLastWords(lastWords, peer, { nowMs, electionTimeoutMinMs: options.electionTimeoutMs[0] });
  if (state.proposer.phase === 'leading') notePeerGone(state, state.proposer, peer);
  if (state.leader !== peer) return;
  forsakeLeader(state);
  hastenStanding(state, peer);
  if (state.nowMs >= state.standAtMs) stand(state);
}
