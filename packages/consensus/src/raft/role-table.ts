/**
 * The life of a server: which event leads from which role to which. [Raft fig. 4], [RaftThesis §9.6]
 *
 * Total on purpose: a cell that cannot happen says `illegal`, and reaching it is a bug that stops the node.
 */
import { invariant } from '@quorate/core';

/** A pre-candidate asks whether an election could be won, before it disturbs anyone with a new term. */
export type RoleName = 'follower' | 'pre-candidate' | 'candidate' | 'leader';

export type RoleEvent =
  /** No leader was heard for an election timeout, or the one we had is said to be down. */
  | 'election-due'
  | 'pre-votes-won'
  | 'votes-won'
  /** The epoch's founder has named this server: every member began by voting for it. */
  | 'appointed'
  /** The leader handed its lead to this server. */
  | 'leader-gave-way'
  /** A message carried a term above our own. */
  | 'higher-term'
  /** Append, heartbeat or snapshot from the leader of our term. */
  | 'leader-heard'
  | 'leader-down'
  /** The leader has not heard a majority for an election timeout. */
  | 'quorum-lost'
  /** The leader's own disk has not answered for an election timeout. */
  | 'disk-stalled';

export const roleTable = {
  follower: {
    'election-due': 'pre-candidate',
    'pre-votes-won': 'illegal',
    'votes-won': 'illegal',
    appointed: 'leader',
    'leader-gave-way': 'candidate',
    'higher-term': 'follower',
    'leader-heard': 'follower',
    'leader-down': 'follower',
    'quorum-lost': 'illegal',
    'disk-stalled': 'illegal',
  },
  'pre-candidate': {
    'election-due': 'pre-candidate',
    'pre-votes-won': 'candidate',
    'votes-won': 'illegal',
    appointed: 'illegal',
    'leader-gave-way': 'illegal',
    'higher-term': 'follower',
    'leader-heard': 'follower',
    'leader-down': 'illegal',
    'quorum-lost': 'illegal',
    'disk-stalled': 'illegal',
  },
  candidate: {
    'election-due': 'pre-candidate',
    'pre-votes-won': 'illegal',
    'votes-won': 'leader',
    appointed: 'illegal',
    'leader-gave-way': 'illegal',
    'higher-term': 'follower',
    'leader-heard': 'follower',
    'leader-down': 'illegal',
    'quorum-lost': 'illegal',
    'disk-stalled': 'illegal',
  },
  leader: {
    'election-due': 'illegal',
    'pre-votes-won': 'illegal',
    'votes-won': 'illegal',
    appointed: 'illegal',
    'leader-gave-way': 'illegal',
    'higher-term': 'follower',
    'leader-heard': 'illegal',
    'leader-down': 'illegal',
    'quorum-lost': 'follower',
    'disk-stalled': 'follower',
  },
} as const satisfies Record<RoleName, Record<RoleEvent, RoleName | 'illegal'>>;

/** Asserts that `event` leads from `from` to `to`. */
export function checkTransition(from: RoleName, event: RoleEvent, to: RoleName): void {
  invariant(roleTable[from][event] === to, `${event} does not lead from ${from} to ${to}`);
}
