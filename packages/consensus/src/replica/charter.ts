/**
 * The charter: what a replica has durably written down about the epoch it serves, and the version of the
 * state machine whose commands its log holds.
 *
 * It is the first record that a replica writes, and it is written anew with every epoch that the replica
 * enters. What it still says in the epoch before, to those who lack the end of that, decides nothing any more. On a
 * restart the charter wins over what the options say, because the log behind it was written under it.
 */
import { anything, CodedError, decodeValue, encodeValue, flag, integer, list, tuple } from '@quorate/core';
import type { LogRecord, WriteAheadLog } from '@quorate/storage';
import type { LogIndex } from '../protocol.ts';
import { decodeNextEpoch, type Epoch, encodeNextEpoch, type Standing } from './epoch.ts';

/** An earlier epoch whose entries are still needed to build the state: up to `end`, where its STOP stands. */
export interface EpochStretch {
  readonly epoch: number;
  readonly end: LogIndex;
}

export interface Charter {
  readonly epoch: Epoch;
  readonly standing: Standing;
  /** Ascending; empty once a snapshot of the present epoch is durable. */
  readonly trail: readonly EpochStretch[];
  readonly machineVersion: number;
}

/** The epoch number under which a group's charter stands in the log: no protocol has it. */
const charterEpoch = 0;
const formatVersion = 2;
const schema = tuple(
  integer(formatVersion, formatVersion),
  anything,
  integer<LogIndex>(),
  flag,
  list(tuple(integer(1), integer<LogIndex>()), 1 << 16),
  integer(1),
);

/** @throws CodedError ERR_LOG_CORRUPT when the record is no charter of ours */
export function recoverCharter(log: WriteAheadLog, group: number): Charter | undefined {
  const record = log.recovered.find((found) => found.group === group && found.epoch === charterEpoch);
  if (record?.hardState === undefined) return undefined;
  try {
    const [, next, base, votes, trail, machineVersion] = schema(decodeValue(record.hardState), 'charter');
    return {
      epoch: { ...decodeNextEpoch(next, 'charter.epoch'), base },
      standing: votes ? 'voter' : 'learner',
      trail: trail.map(([epoch, end]) => ({ epoch, end })),
      machineVersion,
    };
  } catch (error) {
    throw new CodedError(
      'ERR_LOG_CORRUPT',
      `the charter of group ${group} cannot be read`,
      { group },
      { cause: error },
    );
  }
}

/** The record that makes the charter durable. */
export function charterRecord(group: number, charter: Charter): LogRecord {
  const { epoch, standing, trail, machineVersion } = charter;
  const state = encodeValue([
    formatVersion,
    encodeNextEpoch(epoch),
    epoch.base,
    standing === 'voter',
    trail.map(({ epoch: number, end }) => [number, end]),
    machineVersion,
  ]);
  return { type: 'hard-state', group, epoch: charterEpoch, state };
}

/** @throws CodedError ERR_FOREIGN_DATA when the log was written by another version of the state machine */
export function requireMachineVersion(charter: Charter, version: number): void {
  if (charter.machineVersion === version) return;
  throw new CodedError(
    'ERR_FOREIGN_DATA',
    `the directory was written by version ${charter.machineVersion} of the state machine; this is version ${version}`,
    { found: charter.machineVersion, expected: version },
  );
}
