/** Raft behind the one interface of all protocols. [Raft] */
import type { Protocol } from '../protocol.ts';
import type { RaftMessage } from './message.ts';
import { decodeMessage, encodeMessage } from './message-codec.ts';
import { committedFrom, foundingHardState, inspect, type RaftState, start, status } from './state.ts';
import { step } from './step.ts';

export type { RaftMessage, RaftState };

/** Raft behind the neutral interface: `term` is the reign, and the vote is its hard state with it. [Raft] */
export const raft: Protocol<RaftState, RaftMessage> = {
  name: 'raft',
  start,
  step,
  status,
  foundingHardState,
  committedFrom,
  encodeMessage,
  decodeMessage,
  inspect,
};
