/**
 * What an acceptor's promise allows: the two sentences that the safety of Paxos rests on.
 */
import { type Ballot, higherBallot } from './ballot.ts';

/**
 * Whether an acceptor may answer a prepare with a promise: only if it has promised nothing higher. The
 * same ballot again comes from the same proposer, and gets the same promise again.
 * [PaxosSimple §2.2, phase 1(b)]
 */
export function mayPromise(prepare: { readonly ballot: Ballot; readonly promised: Ballot }): boolean {
  return prepare.ballot >= prepare.promised;
}

/**
 * Whether an acceptor may accept: "iff it has not responded to a prepare request having a number
 * greater than n". [PaxosSimple §2.2, P1a]
 */
export function mayAccept(accept: { readonly ballot: Ballot; readonly promised: Ballot }): boolean {
  return accept.ballot >= accept.promised;
}

/**
 * The promise after accepting: an acceptance binds like a promise of its own ballot. An acceptor that
 * skipped phase 1 and forgot this could later promise a lower ballot and report a value out of order.
 * [PaxosSimple §2.2], [Lampson]
 */
export function promiseAfterAccept(accept: { readonly ballot: Ballot; readonly promised: Ballot }): Ballot {
  return higherBallot(accept.ballot, accept.promised);
}
