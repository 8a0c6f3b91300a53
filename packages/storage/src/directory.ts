/**
 * The directory of a node: the superblock says whose it is, and which disk it is.
 *
 * A node that finds another's data must not speak for it, and a node whose disk is blank must not vote
 * as if it remembered: the disk id, drawn once when the superblock is made, tells the two apart.
 */
import { crc32 } from 'node:zlib';
import { CodedError, type Random } from '@quorate/core';
import { errnoOf } from './disk-error.ts';
import { type File, type FileSystem, writeDurably } from './file-system.ts';

/** What a node directory says of itself. */
export interface Superblock {
  readonly clusterId: string;
  readonly node: string;
  readonly diskId: string;
  /** The directory is known to hold a log: should there be none, it was wiped. */
  readonly isEstablished: boolean;
}

/** A directory that is ours. */
export interface NodeDirectory {
  readonly diskId: string;
  /** There was no superblock before. */
  readonly created: boolean;
  readonly isEstablished: boolean;
  /**
   * Notes durably that the log has been made. Between the superblock and the log a first start may be
   * interrupted; so that a missing log is no damage before this, and damage after it.
   */
  establish(): Promise<void>;
}

/** Whose directory is expected, and the disk id that an empty one gets. */
export type NodeDirectoryOptions = {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly clusterId: string;
  readonly node: string;
} & (
  | { /** The disk id that a new directory gets. */ readonly diskId: string }
  | { /** Draws the disk id of a new directory. */ readonly random: Random }
);

const superblockName = 'superblock.json';
const formatVersion = 1;
const superblockBytesMax = 64 * 1024;

/**
 * Opens the directory, or makes it ours when it is empty; durable once this resolves.
 * @throws ERR_FOREIGN_DATA it belongs to another cluster or node, has another format, or holds files
 *   but no superblock; ERR_LOG_CORRUPT the superblock is damaged; what the disk port throws
 */
export async function openNodeDirectory(options: NodeDirectoryOptions): Promise<NodeDirectory> {
  const { fileSystem, directory, clusterId, node } = options;
  await fileSystem.makeDirectory(directory);
  const found = await readNodeDirectory({ fileSystem, directory });
  if (found !== undefined) {
    requireSame(directory, 'cluster', { found: found.clusterId, expected: clusterId });
    requireSame(directory, 'node', { found: found.node, expected: node });
  }
  const drawn = (): string => ('diskId' in options ? options.diskId : drawDiskId(options.random));
  const superblock = found ?? { clusterId, node, diskId: drawn(), isEstablished: false };
  if (found === undefined) await writeSuperblock(fileSystem, directory, superblock);
  return {
    diskId: superblock.diskId,
    created: found === undefined,
    isEstablished: superblock.isEstablished,
    async establish() {
      if (superblock.isEstablished) return;
      await writeSuperblock(fileSystem, directory, { ...superblock, isEstablished: true });
    },
  };
}

/**
 * Reads what a directory says of itself; undefined when it is empty or does not exist.
 * @throws as {@link openNodeDirectory}
 */
export async function readNodeDirectory(options: {
  readonly fileSystem: FileSystem;
  readonly directory: string;
}): Promise<Superblock | undefined> {
  const { fileSystem, directory } = options;
  const path = `${directory}/${superblockName}`;
  const text = await readText(fileSystem, path);
  if (text !== undefined) return parseSuperblock(text, path);
  const names = await fileSystem.list(directory);
  // Locks and unfinished files are what a first start may leave when it is interrupted.
  const others = names.filter((name) => !name.startsWith('lock.') && !name.endsWith('.tmp'));
  if (others.length === 0) return undefined;
  throw new CodedError('ERR_FOREIGN_DATA', `${directory} holds ${others[0]} but no superblock`, {
    directory,
    found: others[0],
    expected: superblockName,
  });
}

function requireSame(
  directory: string,
  what: 'cluster' | 'node',
  { found, expected }: { readonly found: string; readonly expected: string },
): void {
  if (found === expected) return;
  throw new CodedError(
    'ERR_FOREIGN_DATA',
    `${directory} belongs to ${what} ${JSON.stringify(found)}, not to ${JSON.stringify(expected)}`,
    { directory, what, found, expected },
  );
}

function drawDiskId(random: Random): string {
  let diskId = '';
  for (let part = 0; part < 4; part++)
    diskId += random
      .below(2 ** 32)
      .toString(16)
      .padStart(8, '0');
  return diskId;
}

async function readText(fileSystem: FileSystem, path: string): Promise<string | undefined> {
  try {
    const file = await fileSystem.open(path, 'read');
    return await readStart(file).finally(() => file.close());
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** One of ours has a few hundred bytes: what lies beyond the limit makes the checksum fail. */
async function readStart(file: File): Promise<string> {
  const bytes = new Uint8Array(Math.min(await file.sizeBytes(), superblockBytesMax));
  await file.read(bytes, 0);
  return new TextDecoder().decode(bytes);
}

/** Two lines: the superblock as JSON, for people too, and the checksum of that line. */
function parseSuperblock(text: string, path: string): Superblock {
  const [line = '', checksum] = text.split('\n');
  if (checksum !== checksumOf(line)) throw corrupt(path, 'the checksum does not fit');
  const { format, cluster, node, disk, established } = parseObject(line, path);
  if (format !== formatVersion) {
    throw new CodedError(
      'ERR_FOREIGN_DATA',
      `${path} has format ${String(format)}, this build reads ${formatVersion}`,
      { path, found: format, expected: formatVersion },
    );
  }
  if (typeof cluster !== 'string' || typeof node !== 'string' || typeof disk !== 'string') {
    throw corrupt(path, 'cluster, node and disk are not all there');
  }
  return { clusterId: cluster, node, diskId: disk, isEstablished: established === true };
}

function parseObject(line: string, path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    value = undefined;
  }
  if (typeof value !== 'object' || value === null) throw corrupt(path, 'it is no JSON object');
  return value as Record<string, unknown>;
}

function corrupt(path: string, what: string): CodedError {
  return new CodedError('ERR_LOG_CORRUPT', `${path}: ${what}`, { path, position: 0 });
}

function checksumOf(line: string): string {
  return (crc32(line) >>> 0).toString(16).padStart(8, '0');
}

async function writeSuperblock(fileSystem: FileSystem, directory: string, block: Superblock): Promise<void> {
  const temporary = `${directory}/${superblockName}.tmp`;
  const line = JSON.stringify({
    format: formatVersion,
    cluster: block.clusterId,
    node: block.node,
    disk: block.diskId,
    established: block.isEstablished,
  });
  await fileSystem.remove(temporary);
  const file = await fileSystem.open(temporary, 'create');
  const text = new TextEncoder().encode(`${line}\n${checksumOf(line)}\n`);
  await writeDurably(file, [text], 0).finally(() => file.close());
  await fileSystem.rename(temporary, `${directory}/${superblockName}`);
  await fileSystem.syncDirectory(directory);
}
