/**
 * Raft's messages as positional arrays: a number for the type, then the fields in the order of `message.ts`.
 *
 * Every field is checked when it comes in. Payloads are views of what was decoded, not copies: a link
 * hands its frames over for good.
 */
import { assertNever, bytes, flag, integer, list, type Schema, schemaViolation, tuple } from '@quorate/core';
import type { Entry, LogIndex } from '../protocol.ts';
import type { Term } from './log.ts';
import type { RaftMessage } from './message.ts';

/** A leader puts no more entries than this into one append, whatever their size. */
export const appendEntriesMax = 4_096;

/** The frame around a message is limited long before this. */
const payloadBytesMax = 2 ** 30;

const code = {
  'pre-vote-request': 1,
  'pre-vote-reply': 2,
  'vote-request': 3,
  'vote-reply': 4,
  append: 5,
  'append-accepted': 6,
  'append-rejected': 7,
  heartbeat: 8,
  'heartbeat-reply': 9,
  'timeout-now': 10,
} as const satisfies Record<RaftMessage['type'], number>;

const tag = integer(0, 255);
/** Terms on the wire start at 1: before the first election nobody has anything to say. */
const term = integer<Term>(1);
/** A position's term: 0 before the first entry. */
const positionTerm = integer<Term>();
const index = integer<LogIndex>();
const round = integer();

const preVoteRequest = tuple(tag, term, index, positionTerm);
const voteRequest = tuple(tag, term, index, positionTerm, positionTerm);
const timeoutNow = tuple(tag, term);
const voteReply = tuple(tag, term, flag);
const append = tuple(
  tag,
  term,
  index,
  positionTerm,
  index,
  list(tuple(term, integer(), bytes(payloadBytesMax)), appendEntriesMax),
);
const appendAccepted = tuple(tag, term, index);
const appendRejected = tuple(tag, term, index, index, positionTerm);
const heartbeat = tuple(tag, term, index, round, flag);
const heartbeatReply = tuple(tag, term, round);

export function encodeMessage(message: RaftMessage): readonly unknown[] {
  const { type, term } = message;
  switch (type) {
    case 'pre-vote-request':
      return [code[type], term, message.lastIndex, message.lastTerm];
    case 'vote-request':
      return [code[type], term, message.lastIndex, message.lastTerm, message.gaveWay];
    case 'timeout-now':
      return [code[type], term];
    case 'pre-vote-reply':
    case 'vote-reply':
      return [code[type], term, message.granted];
    case 'append': {
      const entries = message.entries.map((entry) => [entry.reign, entry.timeMs, entry.payload]);
      return [code[type], term, message.prevIndex, message.prevTerm, message.commitIndex, entries];
    }
    case 'append-accepted':
      return [code[type], term, message.matchIndex];
    case 'append-rejected':
      return [code[type], term, message.prevIndex, message.hintIndex, message.hintTerm];
    case 'heartbeat':
      return [code[type], term, message.commitIndex, message.round, message.rests];
    case 'heartbeat-reply':
      return [code[type], term, message.round];
    default:
      return assertNever(message, 'encode');
  }
}

/** @throws CodedError `ERR_FRAME_INVALID` */
export function decodeMessage(wire: unknown): RaftMessage {
  const type = Array.isArray(wire) ? wire[0] : undefined;
  switch (type) {
    case code['pre-vote-request']:
      return decodePreVoteRequest(wire);
    case code['vote-request']:
      return decodeVoteRequest(wire);
    case code['timeout-now']: {
      const [, term] = read(timeoutNow, wire);
      return { type: 'timeout-now', term };
    }
    case code['pre-vote-reply']:
      return decodeVoteReply('pre-vote-reply', wire);
    case code['vote-reply']:
      return decodeVoteReply('vote-reply', wire);
    case code.append:
      return decodeAppend(wire);
    case code['append-accepted']: {
      const [, term, matchIndex] = read(appendAccepted, wire);
      return { type: 'append-accepted', term, matchIndex };
    }
    case code['append-rejected']: {
      const [, term, prevIndex, hintIndex, hintTerm] = read(appendRejected, wire);
      return { type: 'append-rejected', term, prevIndex, hintIndex, hintTerm };
    }
    case code.heartbeat: {
      const [, term, commitIndex, round, rests] = read(heartbeat, wire);
      return { type: 'heartbeat', term, commitIndex, round, rests };
    }
    case code['heartbeat-reply']: {
      const [, term, round] = read(heartbeatReply, wire);
      return { type: 'heartbeat-reply', term, round };
    }
    default:
      throw schemaViolation('raft[0]', 'the number of a message type', type);
  }
}

function read<T>(schema: Schema<T>, wire: unknown): T {
  return schema(wire, 'raft');
}

function decodePreVoteRequest(wire: unknown): RaftMessage {
  const [, term, lastIndex, lastTerm] = read(preVoteRequest, wire);
  requireBelow(term, lastTerm, 'raft[3]', 'a last term below the term of the candidacy');
  return { type: 'pre-vote-request', term, lastIndex, lastTerm };
}

function decodeVoteRequest(wire: unknown): RaftMessage {
  const [, term, lastIndex, lastTerm, gaveWay] = read(voteRequest, wire);
  requireBelow(term, lastTerm, 'raft[3]', 'a last term below the term of the candidacy');
  requireBelow(term, gaveWay, 'raft[4]', 'a term that ended below the term of the candidacy');
  return { type: 'vote-request', term, lastIndex, lastTerm, gaveWay };
}

function requireBelow(term: Term, earlier: Term, path: string, what: string): void {
  if (earlier >= term) throw schemaViolation(path, what, earlier);
}

function decodeVoteReply(type: 'pre-vote-reply' | 'vote-reply', wire: unknown): RaftMessage {
  const [, term, granted] = read(voteReply, wire);
  return { type, term, granted };
}

function decodeAppend(wire: unknown): RaftMessage {
  const [, term, prevIndex, prevTerm, commitIndex, received] = read(append, wire);
  // The entries carry no index of their own: the last one counts on from the first, and must still be a safe number.
  index(prevIndex + received.length, 'raft[2]: the index of the last entry');
  let termBefore = prevTerm;
  const entries = received.map(([reign, timeMs, payload], at): Entry => {
    if (reign < termBefore || reign > term) {
      throw schemaViolation(
        `raft[5][${at}][0]`,
        'terms that grow along the log, up to the term of the leader',
        reign,
      );
    }
    termBefore = reign;
    return { index: (prevIndex + 1 + at) as LogIndex, reign, timeMs, payload };
  });
  return { type: 'append', term, prevIndex, prevTerm, commitIndex, entries };
}
