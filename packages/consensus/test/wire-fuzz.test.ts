/**
 * Every message of replicas, clients and protocols, damaged by the thousand: what is decoded is a right message,
 * and everything else is refused with its code. How to run a million of each: `core/test/wire/fuzzing.ts`.
 */
import { isDeepStrictEqual } from 'node:util';
import { decodeValue, encodeValue, type NodeId } from '@quorate/core';
import { expect, test } from 'vitest';
import { fuzz, fuzzTimeoutMs, mutations } from '../../core/test/wire/fuzzing.ts';
import * as learning from '../src/learner/message.ts';
import type { MultiPaxosMessage } from '../src/multi-paxos/message.ts';
import * as multiPaxos from '../src/multi-paxos/message-codec.ts';
import type { Entry } from '../src/protocol.ts';
import type { RaftMessage } from '../src/raft/message.ts';
import * as raft from '../src/raft/message-codec.ts';
import type { ClientMessage, ReplicaMessage } from '../src/replica/message.ts';
import {
  decodeClientMessage,
  decodeReplicaMessage,
  encodeClientMessage,
  encodeReplicaMessage,
} from '../src/replica/message-codec.ts';
import {
  decodePayload,
  encodeBatch,
  encodeBegun,
  encodeClose,
  encodeOpen,
  encodeStop,
  payloadIdentity,
} from '../src/replica/payload.ts';

/** Of every type of message at least one, without the brands of their numbers. */
type Samples<M extends { readonly type: string }> = Readonly<
  Record<M['type'], readonly [Fields, ...Fields[]]>
>;
type Fields = Readonly<Record<string, unknown>>;

/** Counting on from here leaves the numbers that are told apart. */
const lastIndex = Number.MAX_SAFE_INTEGER;
const payload = Uint8Array.from({ length: 20 }, (_, at) => at * 13);
const entry = (index: number, reign: number) => ({
  index,
  reign,
  timeMs: 1_700_000_000_000 + (index % 1_000),
  payload,
});

const raftMessages: Samples<RaftMessage> = {
  'pre-vote-request': [{ term: 3, lastIndex: 7, lastTerm: 2 }],
  'pre-vote-reply': [{ term: 3, granted: true }],
  'vote-request': [{ term: 300, lastIndex: 70_000, lastTerm: 299, gaveWay: 2 }],
  'vote-reply': [{ term: 3, granted: false }],
  append: [
    { term: 3, prevIndex: 7, prevTerm: 2, commitIndex: 7, entries: [entry(8, 2), entry(9, 3)] },
    { term: 3, prevIndex: lastIndex - 2, prevTerm: 2, commitIndex: 0, entries: [entry(lastIndex - 1, 3)] },
  ],
  'append-accepted': [{ term: 3, matchIndex: 9 }],
  'append-rejected': [{ term: 3, prevIndex: 9, hintIndex: 4, hintTerm: 2 }],
  heartbeat: [{ term: 3, commitIndex: 9, round: 4, rests: false }],
  'heartbeat-reply': [{ term: 3, round: 0 }],
  'timeout-now': [{ term: 3 }],
};

const multiPaxosMessages: Samples<MultiPaxosMessage> = {
  prepare: [{ ballot: 65, fromSlot: 9, gaveWay: 33 }],
  promise: [
    { ballot: 65, fromSlot: 3, nextPage: 9, chosenUpTo: 4, accepted: [entry(3, 33), entry(7, 65)] },
    { ballot: 65, fromSlot: 3, nextPage: undefined, chosenUpTo: 0, accepted: [] },
  ],
  nack: [{ ballot: 65, promised: 97 }],
  accept: [{ ballot: 65, chosenUpTo: 4, entries: [entry(5, 65), entry(6, 65)] }],
  accepted: [{ ballot: 65, first: 5, last: 6 }],
  heartbeat: [{ ballot: 65, round: 17, chosenUpTo: 4, rests: false }],
  'hand-over': [{ ballot: 65 }],
  'heartbeat-reply': [{ ballot: 65, round: 17, chosenUpTo: 4 }],
  canvass: [{ canvass: 8, fromSlot: 5 }],
  'canvass-reply': [{ canvass: 8, granted: true, promised: 65 }],
  'catch-up-request': [{ fromSlot: 5 }],
  'catch-up': [{ entries: [entry(5, 33), entry(6, 65)] }],
};

const learnerMessages: Samples<learning.LearnerMessage> = {
  ask: [{ from: 12, diskId: 'd1' }],
  page: [
    { from: 12, commitIndex: 40, leader: 'b', entries: [entry(12, 2), entry(13, 3)] },
    { from: lastIndex - 1, commitIndex: 40, leader: undefined, entries: [entry(lastIndex - 1, 2)] },
  ],
};

const inEpoch = { group: 0, epoch: 1 };
const change = {
  fromEpoch: 2,
  algorithm: 'raft',
  acceptQuorum: undefined,
  members: ['a', 'b'],
  renewed: ['b'],
};
const replicaMessages: Samples<ReplicaMessage> = {
  protocol: [{ ...inEpoch, wire: [8, 3, 9, 4] }],
  learning: [{ ...inEpoch, wire: [1, 12, 'd1'] }],
  'snapshot-offer': [
    {
      ...inEpoch,
      transfer: 2 ** 40,
      brings: 3,
      reign: 3,
      leads: true,
      last: { index: 90, reign: 2 },
      sizeBytes: 70_000,
    },
  ],
  'snapshot-chunk': [{ transfer: 2 ** 40, offset: 256, chunk: payload }],
  'snapshot-progress': [{ transfer: 2 ** 40, nextOffset: -1 }],
  'epoch-passed': [inEpoch],
  'state-hash': [{ group: 0, index: 64, hash: '00ff00ff12345678' }],
  'left-behind': [inEpoch],
  'read-index': [{ ...inEpoch, read: 4 }],
  'read-index-reply': [
    { ...inEpoch, read: 4, index: 80 },
    { ...inEpoch, read: 4, index: undefined },
  ],
  transfer: [{ request: 5, to: 'b' }],
  reconfigure: [{ request: 6, withinMs: 5_000, change }],
  propose: [{ request: 7, payload }],
  read: [{ request: 8, consistency: 'session', isLocal: true, atLeast: 70, queries: payload }],
  'watch-status': [{}],
};

const status = {
  node: 'a',
  role: 'follower',
  leader: 'b',
  epoch: 1,
  algorithm: 'raft',
  members: ['a', 'b', 'c'],
  reign: 3,
  commitIndex: 90,
  appliedIndex: 89,
  position: 1_000,
  mailboxDepth: 2,
  failure: { code: 'ERR_DISK_FULL', message: 'full' },
};
const clientMessages: Samples<ClientMessage> = {
  results: [{ request: 7, index: 90, results: payload }],
  opened: [{ request: 7, index: 90, session: 12 }],
  reconfigured: [{ request: 7, index: 90, epoch: 3 }],
  transferred: [{ request: 7 }],
  closed: [{ request: 7 }],
  answers: [{ request: 7, index: 90, answers: payload }],
  refused: [{ request: 7, code: 'ERR_NOT_LEADER', message: 'no', leader: 'c', isFinal: false }],
  status: [{ status }, { status: { ...status, leader: undefined, failure: undefined } }],
};

/** A pair of functions under test, and messages of every type. */
interface Codec {
  readonly encode: (message: unknown) => unknown;
  readonly decode: (wire: unknown) => unknown;
  readonly messages: readonly unknown[];
}

function codec<M extends { readonly type: string }>(
  encode: (message: M) => unknown,
  decode: (wire: unknown) => M,
  samples: Samples<M>,
): Codec {
  const messages = Object.entries<readonly Fields[]>(samples).flatMap(([type, all]) =>
    all.map((fields) => ({ type, ...fields })),
  );
  return { encode: (message) => encode(message as M), decode, messages };
}

const codecs: Readonly<Record<string, Codec>> = {
  Raft: codec(raft.encodeMessage, raft.decodeMessage, raftMessages),
  'Multi-Paxos': codec(multiPaxos.encodeMessage, multiPaxos.decodeMessage, multiPaxosMessages),
  learners: codec(learning.encodeMessage, learning.decodeMessage, learnerMessages),
  replicas: codec(encodeReplicaMessage, decodeReplicaMessage, replicaMessages),
  clients: codec(encodeClientMessage, decodeClientMessage, clientMessages),
};

test.each(Object.entries(codecs))(
  'a damaged message of %s is a right one, or refused',
  { timeout: fuzzTimeoutMs },
  (name, { encode, decode, messages }) => {
    const corpus = messages.map((message) => encodeValue(encode(message)));
    for (const [at, bytes] of corpus.entries()) expect(decode(decodeValue(bytes))).toEqual(messages[at]);
    const { accepted, refused } = fuzz(
      corpus,
      (bytes) => {
        const message = decode(decodeValue(bytes));
        requireWholeNumbers(message);
        const again = decode(encode(message));
        if (!isDeepStrictEqual(again, message)) throw new Error('it does not survive the way there and back');
      },
      name,
    );
    expect(Math.min(accepted, refused)).toBeGreaterThan(mutations / 20);
  },
);

const oneEntry = [[3, 0, payload]];

test.each([
  ['Raft', raft.decodeMessage, [5, 3, lastIndex, 2, 0, oneEntry]],
  ['learners', learning.decodeMessage, [2, lastIndex, 40, null, oneEntry]],
])('entries of %s beyond the last index are refused', (_, decode, wire) => {
  expect(() => decode(wire)).toThrow(expect.objectContaining({ code: 'ERR_FRAME_INVALID' }));
});

const nextEpoch = {
  number: 2,
  algorithm: 'multi-paxos',
  acceptQuorum: 2,
  members: ['a', 'b', 'c'] as NodeId[],
  disks: new Map([['a' as NodeId, 'd1']]),
  appointed: 'a' as NodeId,
};
const payloads = [
  encodeBatch({ session: 12, batch: 7, acknowledgedBelow: 3 }, [['k1', 'v1'], { add: 1 }, payload, null]),
  encodeBatch({ session: 1, batch: 1, acknowledgedBelow: 1 }, []),
  encodeOpen('orders-worker-7', 'nonce'),
  encodeOpen(undefined, 'nonce'),
  encodeStop(nextEpoch, 'nonce'),
  encodeBegun(),
  encodeClose(12),
];

test('a damaged payload is a right one, or refused', { timeout: fuzzTimeoutMs }, () => {
  const { accepted, refused } = fuzz(
    payloads,
    (bytes) => {
      const decoded = decodePayload(bytes);
      if (decoded.type === 'batch') {
        const { session, batch, acknowledgedBelow, commands } = decoded;
        const header = { session, batch, acknowledgedBelow };
        const isRight = session >= 1 && acknowledgedBelow >= 1 && batch >= acknowledgedBelow;
        if (!isRight || !Array.isArray(commands)) throw new Error('not a batch of commands');
        if (!isDeepStrictEqual(payloadIdentity(bytes), header)) throw new Error('known by another header');
        requireWholeNumbers(header);
      } else if (decoded.type === 'open') {
        const again = decodePayload(encodeOpen(decoded.name, decoded.nonce));
        if (!isDeepStrictEqual(again, decoded)) throw new Error('another opening');
        if (!isDeepStrictEqual(payloadIdentity(bytes), { nonce: decoded.nonce }))
          throw new Error('another nonce');
      } else if (decoded.type === 'stop') {
        const again = decodePayload(encodeStop(decoded.next, decoded.nonce));
        if (!isDeepStrictEqual(again, decoded)) throw new Error('another epoch');
      } else if (decoded.type === 'close') {
        if (!isDeepStrictEqual(payloadIdentity(bytes), { closes: decoded.session }))
          throw new Error('another close');
        requireWholeNumbers({ session: decoded.session });
      } else if (!isDeepStrictEqual(bytes, encodeBegun())) {
        throw new Error('more than one byte says that an epoch has begun');
      }
    },
    'payloads',
  );
  expect(Math.min(accepted, refused)).toBeGreaterThan(mutations / 20);
});

test('what a payload is known by is read from damaged bytes, or refused', { timeout: fuzzTimeoutMs }, () => {
  const { accepted, refused } = fuzz(
    payloads,
    (bytes) => requireWholeNumbers(payloadIdentity(bytes)),
    'identities',
  );
  expect(Math.min(accepted, refused)).toBeGreaterThan(mutations / 20);
});

/** Numbers of a message count something; entries stand one after the other, with safe indexes. */
function requireWholeNumbers(value: unknown, name = ''): void {
  // What a protocol says is opaque here, its own codec judges it.
  if (name === 'wire') return;
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw new Error(`${name} is ${value}`);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  for (const [field, item] of Object.entries(value)) requireWholeNumbers(item, field);
  if (name === 'entries') requireGapless(value as readonly Entry[]);
}

function requireGapless(entries: readonly Entry[]): void {
  for (const [at, { index }] of entries.entries()) {
    const before = entries[at - 1];
    if (before !== undefined && index !== before.index + 1) throw new Error('a gap between entries');
  }
}
