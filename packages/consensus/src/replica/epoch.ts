/**
 * An epoch: one algorithm, one set of members, and the stretch of the log that they decide.
 *
 * A STOP command ends an epoch and names the next. It is an entry like any other, so it is chosen by a quorum
 * of the members whose epoch it ends; what stands after it in their log is never applied. The next epoch
 * counts on from the STOP's index, under its own protocol with its own members. That is the one mechanism for
 * changing the algorithm, the members, or both. [StoppablePaxos], [Reconfiguring]
 *
 * Each rule of the change is one function here.
 */
import { integer, invariant, list, type NodeId, optional, text, tuple } from '@quorate/core';
import type { LogIndex, ProtocolStatus } from '../protocol.ts';

export interface Epoch {
  /** 1 for the first; each STOP adds one. */
  readonly number: number;
  readonly algorithm: string;
  /** Acceptances that choose a value, where the algorithm lets one pick; undefined for a majority. */
  readonly acceptQuorum: number | undefined;
  /** The voters, sorted. */
  readonly members: readonly NodeId[];
  /**
   * The disks that members are on, by name, where that is known. A voter is its name together with its disk:
   * one that has lost what it promised must not vote as if it had promised nothing.
   */
  readonly disks: ReadonlyMap<NodeId, string>;
  /** Its log begins after this index: where the STOP stands that made it; 0 in the first epoch. */
  readonly base: LogIndex;
  /** Who leads its first reign; undefined in the first epoch, which elects. */
  readonly appointed: NodeId | undefined;
}

/** What a STOP says of the epoch that it begins; the base is where the STOP itself comes to stand. */
export type NextEpoch = Omit<Epoch, 'base'>;

/** Who votes in an epoch, and who only learns what it chooses. */
export type Standing = 'voter' | 'learner';

const membersMax = 31;
const nodeName = text<NodeId>(128);
const schema = tuple(
  integer(1),
  text(4_096),
  optional(integer(1, membersMax)),
  list(nodeName, membersMax),
  list(tuple(nodeName, text(64)), membersMax),
  optional(nodeName),
);

/** As a positional array of MessagePack values. */
export function encodeNextEpoch(next: NextEpoch): readonly unknown[] {
  const { number, algorithm, acceptQuorum, members, disks, appointed } = next;
  return [number, algorithm, acceptQuorum ?? null, members, [...disks], appointed ?? null];
}

/** @throws CodedError ERR_FRAME_INVALID */
export function decodeNextEpoch(wire: unknown, at: string): NextEpoch {
  const [number, algorithm, acceptQuorum, members, disks, appointed] = schema(wire, at);
  return { number, algorithm, acceptQuorum, members, disks: new Map(disks), appointed };
}

/** A STOP ends the epoch in which it is applied, and no other: one that came late says nothing any more. */
export function endsEpoch(present: Epoch, stop: NextEpoch): boolean {
  return stop.number === present.number + 1;
}

/**
 * Whether an applied entry is the last of its epoch. What else that epoch's members chose stands behind it in their
 * logs and is no part of the history, for nobody applies it; whoever waits for it proposes it anew. [StoppablePaxos]
 */
export function isLastOfEpoch(applied: { readonly type: string }): boolean {
  return applied.type === 'sealed';
}

/**
 * An order to change the epoch is carried out in the epoch for which it was thought up, and in no later one: asked
 * again after its answer was lost, it would undo what came after it.
 */
export function isMeantFor(present: Epoch, order: { readonly fromEpoch: number }): boolean {
  return present.number === order.fromEpoch;
}

/** The epoch that a STOP at `index` begins. */
export function epochAfter(present: Epoch, stop: NextEpoch, index: LogIndex): Epoch {
  invariant(endsEpoch(present, stop), `epoch ${stop.number} does not follow ${present.number}`);
  return { ...stop, base: index };
}

/**
 * A member votes with the disk that the epoch knows it by; whoever is no member, or is on another disk, learns.
 *
 * Of members that were there from the beginning no epoch knows the disk. One that has voted goes on voting: what it
 * promised is on the disk that it is on. One that has only learned goes on learning, though it bears a member's
 * name: it may have come back blank in the place of one that has voted in this very epoch.
 */
export function standingIn(
  epoch: Epoch,
  { node, diskId, before }: { readonly node: NodeId; readonly diskId: string; readonly before: Standing },
): Standing {
  if (!epoch.members.includes(node)) return 'learner';
  const known = epoch.disks.get(node);
  if (known === undefined) return before;
  return known === diskId ? 'voter' : 'learner';
}

/**
 * Whether a confirmed read may be served from the state that the epoch has reached. A read whose index lies
 * at or beyond the STOP was confirmed by members who may have been left behind already: the next epoch may
 * have acknowledged more, so it has to be asked.
 */
export function mayServeRead(read: { readonly index: LogIndex }, next: Epoch): boolean {
  return read.index < next.base;
}

/**
 * Whether an epoch has taken the place of the one before. What is chosen in it beyond its beginning was accepted by
 * a quorum of its members, and none of them accepts anything before it durably holds everything up to the STOP. So
 * whoever is left behind finds it with them, and the members of the epoch before need not serve it any more.
 */
export function isEstablished(epoch: Epoch, commitIndex: LogIndex): boolean {
  return commitIndex > epoch.base;
}

/**
 * Whether the leader has to say a word of its own. In an epoch that nobody uses nothing would be chosen, so nobody
 * could tell that it is established, and the members of the one before would serve it for ever.
 */
export function hasToSpeakFirst(epoch: Epoch, { role, lastIndex }: ProtocolStatus): boolean {
  return role === 'leader' && epoch.number > 1 && lastIndex === epoch.base;
}

/** The present leader goes on where it can: it has the clients, and the log in memory. Else an old member, else any. */
export function appointLeader(
  members: readonly NodeId[],
  candidates: { readonly leader: NodeId; readonly formerMembers: readonly NodeId[] },
): NodeId {
  const { leader, formerMembers } = candidates;
  if (members.includes(leader)) return leader;
  const appointed = members.find((member) => formerMembers.includes(member)) ?? members[0];
  invariant(appointed !== undefined, 'an epoch has a member');
  return appointed;
}
