/**
 * The store of a node: the one log and the snapshots that all of its groups share, on the disk that the node is
 * known by.
 *
 * Identity comes first: a member is its name together with its disk, and one that has lost what it promised
 * must not vote as if it had promised nothing.
 */
import { type Clock, CodedError, type NodeId, type Random } from '@quorate/core';
import {
  type FileSystem,
  openNodeDirectory,
  readNodeDirectory,
  SnapshotStore,
  WriteAheadLog,
} from '@quorate/storage';

export interface NodeStoreOptions {
  readonly clusterId: string;
  readonly node: NodeId;
  readonly fileSystem: FileSystem;
  readonly directory: string;
  /** The disk that this node is known by; undefined while the cluster starts for the first time. */
  readonly diskId: string | undefined;
  readonly segmentBytes: number;
  readonly clock: Clock;
  readonly random: Random;
  /** The log has failed for good: nothing that waits for it will ever be durable. */
  readonly onFailure: (error: unknown) => void;
}

export interface NodeStore {
  readonly diskId: string;
  readonly log: WriteAheadLog;
  readonly snapshots: SnapshotStore;
  /** To be called when every group has its charter: from then on a directory without a log is one that was wiped. */
  establish(): Promise<void>;
  close(): Promise<void>;
}

/** @throws CodedError ERR_FOREIGN_DATA, ERR_LOG_CORRUPT, ERR_DISK_FULL, ERR_DISK_FAILED */
export async function openNodeStore(options: NodeStoreOptions): Promise<NodeStore> {
  const { clusterId, node, fileSystem, directory, diskId, segmentBytes, clock, random, onFailure } = options;
  if (diskId !== undefined) await requireData(fileSystem, directory, diskId);
  const disk = await openNodeDirectory({ fileSystem, directory, clusterId, node, random });
  if (diskId !== undefined) requireDisk(directory, disk.diskId, diskId);
  const log = await WriteAheadLog.open({
    fileSystem,
    directory: `${directory}/log`,
    diskId: disk.diskId,
    mustExist: disk.isEstablished,
    clock,
    segmentBytes,
    onFailure,
  });
  try {
    const snapshots = await SnapshotStore.open({ fileSystem, directory: `${directory}/snapshots` });
    return {
      diskId: disk.diskId,
      log,
      snapshots,
      establish: () => disk.establish(),
      close: () => log.close(),
    };
  } catch (error) {
    await log.close();
    throw error;
  }
}

/** A folder that is known to have had data is not made anew when it is blank. */
async function requireData(fileSystem: FileSystem, directory: string, expected: string): Promise<void> {
  if ((await readNodeDirectory({ fileSystem, directory })) !== undefined) return;
  throw new CodedError(
    'ERR_LOG_CORRUPT',
    `${directory} is blank; this member's data was on disk ${expected}`,
    { directory, expected },
  );
}

function requireDisk(directory: string, found: string, expected: string): void {
  if (found === expected) return;
  throw new CodedError(
    'ERR_LOG_CORRUPT',
    `${directory} is on disk ${found}; this member's data was on disk ${expected}`,
    { directory, expected, found },
  );
}
