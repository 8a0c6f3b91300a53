/** The charter comes back as it was written, and says so when it cannot be read: it wins over all options. */
import { encodeValue, type NodeId } from '@quorate/core';
import type { RecoveredLog, WriteAheadLog } from '@quorate/storage';
import { describe, expect, test } from 'vitest';
import type { LogIndex } from '../../src/protocol.ts';
import {
  type Charter,
  charterRecord,
  recoverCharter,
  requireMachineVersion,
} from '../../src/replica/charter.ts';
import { firstEpoch } from './first-epoch.ts';

const charter: Charter = {
  epoch: {
    number: 4,
    algorithm: 'multi-paxos',
    acceptQuorum: 2,
    members: ['a', 'b', 'c'] as NodeId[],
    disks: new Map([['b' as NodeId, 'a disk']]),
    base: 71 as LogIndex,
    appointed: 'b' as NodeId,
  },
  standing: 'voter',
  trail: [
    { epoch: 2, end: 40 as LogIndex },
    { epoch: 3, end: 71 as LogIndex },
  ],
  machineVersion: 3,
};

/** A log in which these hard states were found, as [group, epoch, state]. */
function logWith(...found: readonly (readonly [number, number, Uint8Array | undefined])[]): WriteAheadLog {
  const recovered = found.map(
    ([group, epoch, hardState]) => ({ group, epoch, hardState, entries: [] }) as unknown as RecoveredLog,
  );
  return { recovered } as unknown as WriteAheadLog;
}

function stateOf(written: Charter, group = 0): Uint8Array {
  const record = charterRecord(group, written);
  if (record.type !== 'hard-state') throw new Error('a charter is a hard state');
  return record.state;
}

describe('a charter', () => {
  test.each<[string, Charter]>([
    ['of a voter, with epochs behind it', charter],
    ['of a learner', { ...charter, standing: 'learner' }],
    ['of the first epoch', { epoch: firstEpoch, standing: 'voter', trail: [], machineVersion: 1 }],
  ])('%s comes back as it was written', (_, written) => {
    expect(recoverCharter(logWith([0, 0, stateOf(written)]), 0)).toEqual(written);
  });

  test('stands where no protocol has its hard state, under the group that it is of', () => {
    expect(charterRecord(5, charter)).toMatchObject({ type: 'hard-state', group: 5, epoch: 0 });
    const ofOthers = logWith([0, 0, stateOf(charter)], [5, 1, stateOf(charter)]);
    expect(recoverCharter(ofOthers, 5)).toBeUndefined();
    const both = logWith([0, 0, stateOf(charter)], [5, 0, stateOf({ ...charter, machineVersion: 9 })]);
    expect(recoverCharter(both, 5)?.machineVersion).toBe(9);
  });

  test('that is not there is no charter', () => {
    expect(recoverCharter(logWith(), 0)).toBeUndefined();
    expect(recoverCharter(logWith([0, 0, undefined]), 0)).toBeUndefined();
  });

  test.each<[string, Uint8Array]>([
    ['is not MessagePack', Uint8Array.of(0xc1)],
    ['is something else', encodeValue(['not', 'a', 'charter'])],
    ['has another form', encodeValue([1, [4, 'raft', null, [], [], null], 71, true, [], 3])],
    ['is cut off', stateOf(charter).slice(0, -2)],
  ])('that %s is never guessed', (_, state) => {
    expect(() => recoverCharter(logWith([0, 0, state]), 0)).toThrow(
      expect.objectContaining({ code: 'ERR_LOG_CORRUPT' }),
    );
  });
});

test('a log is of one version of the state machine, and refused to every other', () => {
  expect(() => requireMachineVersion(charter, 3)).not.toThrow();
  expect(() => requireMachineVersion(charter, 4)).toThrow(
    expect.objectContaining({ code: 'ERR_FOREIGN_DATA' }),
  );
});
