/**
 * The acceptor: promises, accepts, and keeps both over restarts. [PaxosSimple §2.2], [Lampson]
 */
import type { NodeId } from '@quorate/core';
import { takeReport } from './acceptor-report.ts';
import { follow, forsakeLeader, noteBallot, raisePromise, resetStandTimer } from './allegiance.ts';
import { type Ballot, noBallot } from './ballot.ts';
import { assertSameValue, learnFromLeader, offerSnapshot } from './learner.ts';
import type { Accept, Canvass, Heartbeat, Prepare } from './message.ts';
import { send, sendOnceDurable, writeEntry } from './outbox.ts';
import { mayAccept, mayPromise, promiseAfterAccept } from './promise-rule.ts';
import { restWithLeader } from './quiescence.ts';
import { canReportFrom, leaderGaveWay, leaderSeemsAlive } from './stability.ts';
import type { MultiPaxosState } from './state.ts';

/** Phase 1(b). The promise leaves when it is durable, and so is everything that it reports. */
export function onPrepare(state: MultiPaxosState, from: NodeId, prepare: Prepare): void {
  const { ballot, fromSlot, gaveWay } = prepare;
  if (!mayPromise({ ballot, promised: state.promised })) {
    nack(state, from, ballot);
    return;
  }
  // Also at a ballot that is promised already: a snapshot may have brought the promise, and no leave with it.
  if (isLoyalToAnother(state, from, gaveWay)) {
    noteBallot(state, ballot);
    nack(state, from, ballot);
    return;
  }
  if (!canReportFrom({ fromSlot, forgottenUpTo: state.log.forgottenUpTo })) {
    offerSnapshot(state, from);
    nack(state, from, ballot);
    return;
  }
  if (ballot > state.promised) {
    raisePromise(state, ballot);
    forsakeLeader(state);
  }
  // With every page: a long report is no reason to stand against the one who reads it.
  resetStandTimer(state);
  sendOnceDurable(state, from, takeReport(state, prepare));
}

/** Phase 2(b): accepts what the promise allows, and is bound by it as by a promise. */
export function onAccept(state: MultiPaxosState, from: NodeId, accept: Accept): void {
  const { ballot, entries, chosenUpTo } = accept;
  const first = entries[0];
  const last = entries.at(-1);
  if (first === undefined || last === undefined) return;
  if (!mayAccept({ ballot, promised: state.promised })) {
    nack(state, from, ballot);
    return;
  }
  follow(state, promiseAfterAccept({ ballot, promised: state.promised }), from);
  for (const entry of entries) {
    const held = state.log.get(entry.index);
    // A chosen slot is acknowledged as it stands: nothing else can be proposed in it under this ballot.
    if (entry.index <= state.chosenUpTo) assertSameValue(held, entry);
    else if (held?.reign !== ballot) writeEntry(state, entry);
  }
  sendOnceDurable(state, from, { type: 'accepted', ballot, first: first.index, last: last.index });
  learnFromLeader(state, chosenUpTo);
}

/**
 * The leader lives. Its ballot is promised like by an accept; the reply promises nothing, it only says
 * that nothing higher was promised so far, and so it need not wait for the disk.
 */
export function onHeartbeat(state: MultiPaxosState, from: NodeId, heartbeat: Heartbeat): void {
  const { ballot, round, chosenUpTo, rests } = heartbeat;
  if (!mayAccept({ ballot, promised: state.promised })) {
    nack(state, from, ballot);
    return;
  }
  const isFollowed = follow(state, promiseAfterAccept({ ballot, promised: state.promised }), from);
  learnFromLeader(state, chosenUpTo);
  // An answer would count towards a lease, and nobody here is loyal to the dead.
  if (!isFollowed) return;
  if (rests) restWithLeader(state);
  send(state, from, { type: 'heartbeat-reply', ballot, round, chosenUpTo: state.chosenUpTo });
}

/** Says whether a prepare would be promised, and changes nothing. */
export function onCanvass(state: MultiPaxosState, from: NodeId, canvass: Canvass): void {
  const canReport = canReportFrom({ fromSlot: canvass.fromSlot, forgottenUpTo: state.log.forgottenUpTo });
  if (!canReport) offerSnapshot(state, from);
  const granted = canReport && !isLoyalToAnother(state, from, noBallot);
  send(state, from, { type: 'canvass-reply', canvass: canvass.canvass, granted, promised: state.promised });
}

/** Whether another leader than `from` counts on this acceptor to promise nobody else anything. */
function isLoyalToAnother(state: MultiPaxosState, from: NodeId, gaveWay: Ballot): boolean {
  if (state.leader === from || leaderGaveWay({ leader: state.leader, promised: state.promised, gaveWay })) {
    return false;
  }
  return leaderSeemsAlive({
    leads: state.proposer.phase === 'leading',
    rests: state.rests,
    leaderHeardMs: state.leaderHeardMs,
    nowMs: state.nowMs,
    electionTimeoutMinMs: state.options.electionTimeoutMs[0],
  });
}

function nack(state: MultiPaxosState, to: NodeId, ballot: Ballot): void {
  send(state, to, { type: 'nack', ballot, promised: state.promised });
}
