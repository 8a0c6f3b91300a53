/**
 * The charter of a replica: which epoch it serves, and the state machine whose commands its log holds.
 *
 * It is the first record that a replica writes. On a restart the directory's charter wins over what the
 * options say, because the log behind it was written under it.
 */
import { CodedError, decodeValue, encodeValue, integer, list, type NodeId, text, tuple } from '@quorate/core';
import type { WriteAheadLog } from '@quorate/storage';

export interface Charter {
  readonly epoch: number;
  readonly algorithm: string;
  readonly members: readonly NodeId[];
  readonly machineVersion: number;
}

/** The epoch number under which a group's charter stands in the log: no protocol has it. */
const charterEpoch = 0;
const formatVersion = 1;
const schema = tuple(integer(), integer(1), text(4_096), list(text<NodeId>(128), 31), integer(1));

/** @throws CodedError ERR_LOG_CORRUPT when the record is no charter of ours */
export function recoverCharter(log: WriteAheadLog, group: number): Charter | undefined {
  const record = log.recovered.find((found) => found.group === group && found.epoch === charterEpoch);
  if (record?.hardState === undefined) return undefined;
  try {
    const [format, epoch, algorithm, members, machineVersion] = schema(
      decodeValue(record.hardState),
      'charter',
    );
    if (format !== formatVersion)
      throw new CodedError('ERR_FRAME_INVALID', `charter: unknown form ${format}`, {});
    return { epoch, algorithm, members, machineVersion };
  } catch (error) {
    throw new CodedError(
      'ERR_LOG_CORRUPT',
      `the charter of group ${group} cannot be read`,
      { group },
      { cause: error },
    );
  }
}

/** Resolves when the charter is durable. */
export function writeCharter(log: WriteAheadLog, group: number, charter: Charter): Promise<void> {
  const { epoch, algorithm, members, machineVersion } = charter;
  const state = encodeValue([formatVersion, epoch, algorithm, members, machineVersion]);
  return new Promise((resolve) => {
    log.append([{ type: 'hard-state', group, epoch: charterEpoch, state }], resolve);
  });
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
