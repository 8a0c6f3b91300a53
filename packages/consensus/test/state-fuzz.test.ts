/**
 * What a replica finds on its disk or is sent by a peer as a whole, damaged by the thousand: snapshots of its state,
 * charters and hard states. Each is refused with its code, or read for something that could have been written. How to
 * run a million: `core/test/wire/fuzzing.ts`.
 */
import { isDeepStrictEqual } from 'node:util';
import { CodedError, type ErrorCode, type NodeId, seededRandom } from '@quorate/core';
import type { RecoveredLog, WriteAheadLog } from '@quorate/storage';
import { expect, test } from 'vitest';
import { countCost, watchGrowth } from '../../core/test/wire/decode-cost.ts';
import { fuzzTimeoutMs, mutated, mutations } from '../../core/test/wire/fuzzing.ts';
import * as multiPaxosHardState from '../src/multi-paxos/hard-state.ts';
import type { Entry, LogIndex, Reign } from '../src/protocol.ts';
import * as raftHardState from '../src/raft/hard-state.ts';
import { type Charter, charterRecord, recoverCharter } from '../src/replica/charter.ts';
import type { Epoch } from '../src/replica/epoch.ts';
import { encodeBatch, encodeOpen, encodeStop } from '../src/replica/payload.ts';
import { ReplicatedState } from '../src/replica/replicated-state.ts';
import { defineStateMachine } from '../src/state-machine.ts';
import { firstEpoch } from './replica/first-epoch.ts';

const seed = Number(process.env['QUORATE_FUZZ_SEED'] ?? 1);

interface Target {
  readonly corpus: readonly Uint8Array[];
  readonly codes: readonly ErrorCode[];
  /** Part of all mutations: what costs more gets fewer. */
  readonly share: number;
  readonly read: (bytes: Uint8Array) => void | Promise<void>;
}

async function fuzz(label: string, { corpus, codes, share, read }: Target): Promise<void> {
  const random = seededRandom(seed).fork(label);
  const growth = watchGrowth();
  const seen = { read: 0, refused: 0 };
  for (let mutation = 0; mutation < mutations * share; mutation++) {
    const bytes = mutated(corpus[mutation % corpus.length] as Uint8Array, corpus, random);
    const what = `${label}, seed ${seed}, mutation ${mutation}: ${Buffer.from(bytes).toString('hex')}`;
    const cost = countCost();
    try {
      await read(bytes);
      seen.read += 1;
    } catch (error) {
      if (!(error instanceof CodedError && codes.includes(error.code)))
        throw new Error(what, { cause: error });
      seen.refused += 1;
    }
    const exceeded = cost();
    if (exceeded !== undefined) throw new Error(`${what}: ${exceeded}`);
  }
  expect(growth()).toBeUndefined();
  expect(Math.min(seen.read, seen.refused)).toBeGreaterThan((mutations * share) / 100);
}

const second: Epoch = {
  number: 2,
  algorithm: 'multi-paxos',
  acceptQuorum: 2,
  members: ['a', 'c', 'd'] as NodeId[],
  disks: new Map([['d' as NodeId, 'its disk']]),
  base: 6 as LogIndex,
  appointed: 'c' as NodeId,
};

const entry = (index: number, payload: Uint8Array): Entry => ({
  index: index as LogIndex,
  reign: 1 as Reign,
  timeMs: 1_000 + index,
  payload,
});

/** So that damage strikes the machine's part of a snapshot as well. */
const filling = 'of no meaning '.repeat(20);

function* bytesOf(text: string): Iterable<Uint8Array> {
  yield new TextEncoder().encode(text);
}

/** Takes back numbers alone, as the machine of an app that trusts nothing would. */
function machineOf(asBytes: boolean) {
  return defineStateMachine<number, null, number>({ version: 1 }, () => {
    let sum = 0;
    return {
      apply: (add) => (sum += add),
      query: () => sum,
      snapshot: () => (asBytes ? bytesOf(`${sum} ${filling}`) : { sum, filling }),
      async restore(saved) {
        let found: unknown = (saved as { sum?: unknown } | null)?.sum;
        const isStream = typeof saved === 'object' && saved !== null && Symbol.asyncIterator in saved;
        if (asBytes !== isStream) throw new CodedError('ERR_FRAME_INVALID', 'not of this machine', {});
        if (asBytes) {
          let text = '';
          for await (const part of saved as AsyncIterable<Uint8Array>) text += Buffer.from(part).toString();
          found = Number.parseInt(text, 10);
        }
        if (!Number.isSafeInteger(found)) throw new CodedError('ERR_FRAME_INVALID', 'no sum', {});
        sum = found as number;
      },
    };
  });
}

async function snapshotOf(state: ReplicatedState): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of state.snapshot()) parts.push(part);
  return new Uint8Array(Buffer.concat(parts));
}

/** A stream in pieces, as a file is read. */
async function* inPieces(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 64) yield bytes.subarray(at, at + 64);
}

test.each([false, true])(
  'a damaged snapshot of the state is restored as one that could have been taken, or refused (as bytes: %s)',
  { timeout: fuzzTimeoutMs },
  async (asBytes) => {
    const machine = machineOf(asBytes);
    const state = new ReplicatedState(machine, firstEpoch);
    const corpus = [await snapshotOf(state)];
    const { base: _, ...next } = second;
    const payloads = [
      encodeOpen('orders', 'one'),
      encodeOpen(undefined, 'two'),
      encodeBatch({ session: 1, batch: 1, acknowledgedBelow: 1 }, [1, 2]),
      encodeBatch({ session: 2, batch: 3, acknowledgedBelow: 2 }, [3]),
      encodeBatch({ session: 1, batch: 2, acknowledgedBelow: 2 }, [4]),
      encodeStop(next, 'stop'),
    ];
    for (const [at, payload] of payloads.entries()) state.apply(entry(at + 1, payload));
    corpus.push(await snapshotOf(state));
    await fuzz(`snapshots, as bytes: ${asBytes}`, {
      corpus,
      codes: ['ERR_FRAME_INVALID', 'ERR_FOREIGN_DATA', 'ERR_STATE_DIVERGED'],
      share: 0.5,
      async read(bytes) {
        const restored = new ReplicatedState(machine, firstEpoch);
        await restored.restore(inPieces(bytes));
        const again = new ReplicatedState(machine, firstEpoch);
        await again.restore(inPieces(await snapshotOf(restored)));
        expect(again.stateHash()).toBe(restored.stateHash());
        expect(again.epoch).toEqual(restored.epoch);
        expect(
          [restored.appliedIndex, restored.position, restored.epoch.base].every(Number.isSafeInteger),
        ).toBe(true);
        restored.apply(entry(restored.appliedIndex + 1, encodeOpen(undefined, 'after')));
      },
    });
  },
);

test('a damaged charter is one that could have been written, or refused', {
  timeout: fuzzTimeoutMs,
}, async () => {
  const charters: readonly Charter[] = [
    { epoch: firstEpoch, standing: 'learner', trail: [], machineVersion: 1 },
    { epoch: second, standing: 'voter', trail: [{ epoch: 1, end: 6 as LogIndex }], machineVersion: 300 },
  ];
  const stateOf = (charter: Charter): Uint8Array => {
    const record = charterRecord(0, charter);
    return record.type === 'hard-state' ? record.state : new Uint8Array(0);
  };
  const logWith = (hardState: Uint8Array): WriteAheadLog => {
    const recovered: RecoveredLog = {
      group: 0,
      epoch: 0,
      hardState,
      snapshot: { index: 0, reign: 0 },
      entries: [],
    };
    return { recovered: [recovered] } as unknown as WriteAheadLog;
  };
  await fuzz('charters', {
    corpus: charters.map(stateOf),
    codes: ['ERR_LOG_CORRUPT'],
    share: 1,
    read(bytes) {
      const charter = recoverCharter(logWith(bytes), 0) as Charter;
      const again = recoverCharter(logWith(stateOf(charter)), 0);
      if (!isDeepStrictEqual(again, charter)) throw new Error('it does not survive the way there and back');
    },
  });
});

test.each<[string, Target['corpus'], (bytes: Uint8Array) => unknown]>([
  [
    'Raft',
    [
      raftHardState.encodeHardState({ currentTerm: 0 as Reign, votedFor: undefined }),
      raftHardState.encodeHardState({ currentTerm: 300 as Reign, votedFor: 'node-b' as NodeId }),
    ],
    (bytes) => raftHardState.encodeHardState(raftHardState.decodeHardState(bytes)),
  ],
  [
    'Multi-Paxos',
    [
      multiPaxosHardState.encodeHardState({ promised: 0 as never, chosenUpTo: 0 as never }),
      multiPaxosHardState.encodeHardState({ promised: 65 as never, chosenUpTo: 70_000 as never }),
    ],
    (bytes) => multiPaxosHardState.encodeHardState(multiPaxosHardState.decodeHardState(bytes)),
  ],
])(
  'a damaged hard state of %s is one that could have been written, or refused',
  { timeout: fuzzTimeoutMs },
  async (name, corpus, there) => {
    await fuzz(`hard states of ${name}`, {
      corpus,
      codes: ['ERR_LOG_CORRUPT'],
      share: 1,
      read(bytes) {
        if (!isDeepStrictEqual(there(bytes), bytes))
          throw new Error('it does not survive the way there and back');
      },
    });
  },
);
