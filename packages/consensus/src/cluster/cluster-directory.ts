/**
 * The cluster's directory: who this cluster is, written before any node writes a byte.
 *
 * `cluster.json` names the cluster, its algorithm and its members; beside it each node has a folder. On
 * a restart this file wins over the options, because the logs were written under it.
 */
import { CodedError, integer, list, messageOf, type NodeId, text } from '@quorate/core';
import { type FileSystem, writeDurably } from '@quorate/storage';
import { groupsMax } from '../replica/alive-message.ts';

export interface ClusterIdentity {
  readonly clusterId: string;
  /** The newest epoch known when this was written. The nodes' own charters may know of a later one. */
  readonly epoch: number;
  readonly algorithm: string;
  readonly acceptQuorum?: number;
  /** How many groups the nodes have; the same for ever. */
  readonly groups: number;
  /** The voters of that epoch. */
  readonly members: readonly NodeId[];
  /**
   * Nodes that were started blank and were not seen to have a voice in every group: one without learns until an epoch
   * names it. A member is among them while it is replaced, or when the groups differ.
   */
  readonly joining: readonly NodeId[];
  /** Disk id by member, of those that have started before. */
  readonly disks?: Readonly<Record<string, string>>;
}

/** All nodes that are to run, with a voice or without. */
export function nodesOf({ members, joining }: ClusterIdentity): readonly NodeId[] {
  return [...new Set([...members, ...joining])];
}

const fileName = 'cluster.json';
const format = 3;
const nodesMax = 31;

/** Reads the identity that the directory has, or gives it the one wanted. The directory must be locked. */
export async function openClusterDirectory(
  fileSystem: FileSystem,
  directory: string,
  wanted: ClusterIdentity,
): Promise<{ readonly identity: ClusterIdentity; readonly isNew: boolean }> {
  await fileSystem.makeDirectory(directory);
  const names = await fileSystem.list(directory);
  if (names.includes(fileName))
    return { identity: await readIdentity(fileSystem, `${directory}/${fileName}`), isNew: false };
  const orphan = wanted.members.find((member) => names.includes(member));
  if (orphan !== undefined) {
    throw new CodedError('ERR_FOREIGN_DATA', `${directory} has data of node ${orphan}, but no ${fileName}`, {
      directory,
    });
  }
  await writeIdentity(fileSystem, directory, wanted);
  return { identity: wanted, isNew: true };
}

/** Forgets the identity again as long as no member has a folder: a first start that failed leaves nothing behind. */
export async function withdrawIdentity(
  fileSystem: FileSystem,
  directory: string,
  { members }: ClusterIdentity,
): Promise<void> {
  const names = await fileSystem.list(directory);
  if (!members.some((member) => names.includes(member))) await fileSystem.remove(`${directory}/${fileName}`);
}

async function readIdentity(fileSystem: FileSystem, path: string): Promise<ClusterIdentity> {
  const file = await fileSystem.open(path, 'read');
  const content = new Uint8Array(await file.sizeBytes());
  try {
    await file.read(content, 0);
  } finally {
    await file.close();
  }
  try {
    const saved = JSON.parse(Buffer.from(content).toString('utf8')) as Record<string, unknown> | null;
    if (saved === null) throw new TypeError('it holds nothing');
    integer(format, format)(saved['format'], 'format');
    return {
      clusterId: text(64)(saved['clusterId'], 'clusterId'),
      epoch: integer(1)(saved['epoch'], 'epoch'),
      algorithm: text(4_096)(saved['algorithm'], 'algorithm'),
      ...(saved['acceptQuorum'] === undefined
        ? {}
        : { acceptQuorum: integer(1, nodesMax)(saved['acceptQuorum'], 'acceptQuorum') }),
      groups: integer(1, groupsMax)(saved['groups'], 'groups'),
      members: list(text<NodeId>(128), nodesMax)(saved['members'], 'members'),
      joining: list(text<NodeId>(128), nodesMax)(saved['joining'], 'joining'),
      ...(saved['disks'] === undefined ? {} : { disks: readDisks(saved['disks']) }),
    };
  } catch (error) {
    throw new CodedError(
      'ERR_LOG_CORRUPT',
      `${path} cannot be read: ${messageOf(error)}`,
      { path },
      { cause: error },
    );
  }
}

function readDisks(saved: unknown): Readonly<Record<string, string>> {
  const pairs = Object.entries((saved ?? {}) as Record<string, unknown>);
  return Object.fromEntries(pairs.map(([member, disk]) => [member, text(64)(disk, `disks.${member}`)]));
}

/**
 * Moves the folder of a node out of the way, so that the node begins anew; what was in it is kept beside.
 * @returns where it is now; undefined when there was none
 */
export async function setFolderAside(
  fileSystem: FileSystem,
  directory: string,
  node: NodeId,
): Promise<string | undefined> {
  const names = await fileSystem.list(directory);
  if (!names.includes(node)) return undefined;
  let number = 1;
  while (names.includes(`${node}.replaced-${number}`)) number += 1;
  const aside = `${directory}/${node}.replaced-${number}`;
  await fileSystem.rename(`${directory}/${node}`, aside);
  await fileSystem.syncDirectory(directory);
  return aside;
}

/** Replaces the identity in one step: after a crash there is the old or the new one. */
export async function writeIdentity(
  fileSystem: FileSystem,
  directory: string,
  identity: ClusterIdentity,
): Promise<void> {
  const temporary = `${directory}/${fileName}.new`;
  await fileSystem.remove(temporary);
  const file = await fileSystem.open(temporary, 'create');
  try {
    await writeDurably(file, [Buffer.from(`${JSON.stringify({ format, ...identity }, undefined, 2)}\n`)], 0);
  } finally {
    await file.close();
  }
  await fileSystem.rename(temporary, `${directory}/${fileName}`);
  await fileSystem.syncDirectory(directory);
}
