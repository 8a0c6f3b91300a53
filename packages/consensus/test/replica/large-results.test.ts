/** Results too large together are a result, the same on every replica, and never the end of one. */
import { decodeValue } from '@quorate/core';
import { expect, test } from 'vitest';
import type { Entry, LogIndex, Reign } from '../../src/protocol.ts';
import { encodeBatch, encodeOpen } from '../../src/replica/payload.ts';
import { ReplicatedState } from '../../src/replica/replicated-state.ts';
import { defineStateMachine } from '../../src/state-machine.ts';
import { firstEpoch } from './first-epoch.ts';

const row = new Array<number>(2_100).fill(0);
const machine = defineStateMachine<unknown, unknown, unknown>({ version: 1 }, () => ({
  apply: () => row,
  query: () => row,
  snapshot: () => null,
  restore: () => undefined,
}));
const entry = (index: number, payload: Uint8Array): Entry => ({
  index: index as LogIndex,
  reign: 1 as Reign,
  timeMs: 1,
  payload,
});

test('a batch whose results hold more values than one message may is applied and answered', () => {
  const state = new ReplicatedState(machine, firstEpoch);
  state.apply(entry(1, encodeOpen(undefined, 'n')));
  const commands = new Array<null>(8_192).fill(null);
  const applied = state.apply(
    entry(2, encodeBatch({ session: 1, batch: 1, acknowledgedBelow: 1 }, commands)),
  );
  expect(applied.type).toBe('batch');
});

test('queries whose answers are too large together are to be asked in parts; alone each is answered', () => {
  const state = new ReplicatedState(machine, firstEpoch);
  expect(state.query(new Array(8_192).fill(null))).toBeUndefined();
  expect(decodeValue(state.query([null]) as Uint8Array)).toEqual([[row], null]);
});
