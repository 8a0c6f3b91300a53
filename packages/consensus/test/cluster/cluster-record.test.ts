/** The record of who a cluster is: every change is kept, whoever else changes it at the same time. */
import { type NodeId, seededRandom } from '@quorate/core';
import { type File, MemoryFileSystem, type OpenMode, openNodeDirectory } from '@quorate/storage';
import { beforeEach, expect, test } from 'vitest';
import { type ClusterIdentity, openClusterDirectory } from '../../src/cluster/cluster-directory.ts';
import { ClusterRecord } from '../../src/cluster/cluster-record.ts';

const [a, b, c] = ['a', 'b', 'c'] as [NodeId, NodeId, NodeId];
const first: ClusterIdentity = {
  clusterId: 'one',
  epoch: 1,
  algorithm: 'raft',
  groups: 1,
  members: [a, b, c],
  joining: [],
};

/** A disk that may take its time to hand out a file. */
class SlowFileSystem extends MemoryFileSystem {
  /** What the next opening for reading waits for, once it has the file. */
  slow: Promise<void> | undefined;

  override async open(path: string, mode: OpenMode): Promise<File> {
    const file = await super.open(path, mode);
    const { slow } = this;
    if (mode !== 'read' || slow === undefined) return file;
    this.slow = undefined;
    await slow;
    return file;
  }
}

let fileSystem: SlowFileSystem;
let record: ClusterRecord;
let disksMade = 0;

beforeEach(async () => {
  fileSystem = new SlowFileSystem();
  await openClusterDirectory(fileSystem, '/cluster', first);
  record = new ClusterRecord(first, { fileSystem, directory: '/cluster' });
});

async function diskOf(node: NodeId): Promise<string> {
  disksMade += 1;
  const random = seededRandom(disksMade);
  const directory = `/cluster/${node}`;
  return (await openNodeDirectory({ fileSystem, directory, clusterId: 'one', node, random })).diskId;
}

const onDisk = async (): Promise<ClusterIdentity> =>
  (await openClusterDirectory(fileSystem, '/cluster', first)).identity;

test('disks that are noted at the same time as the epoch changes are all in the record', async () => {
  const disks = { a: await diskOf(a), b: await diskOf(b), c: await diskOf(c) };
  await Promise.all([
    record.noteDisk(a),
    record.change((identity) => ({ ...identity, epoch: identity.epoch + 1 })),
    record.noteDisk(b),
    record.change((identity) => ({ ...identity, epoch: identity.epoch + 1 })),
    record.noteDisk(c),
  ]);
  expect(record.identity).toEqual({ ...first, epoch: 3, disks });
  expect(await onDisk()).toEqual({ ...first, epoch: 3, disks });
});

test('a node that has no disk yet is not noted, and one that is noted stays on that disk', async () => {
  await record.noteDisk(a);
  expect(record.identity.disks).toBeUndefined();
  const disk = await diskOf(a);
  await record.noteDisk(a);
  for (const name of await fileSystem.list('/cluster/a')) await fileSystem.remove(`/cluster/a/${name}`);
  expect(await diskOf(a)).not.toBe(disk);
  await record.noteDisk(a);
  expect(record.identity.disks).toEqual({ a: disk });
});

test('what is read slowly of a disk is not noted over a newer one that has taken its place meanwhile', async () => {
  await diskOf(a);
  let goOn: () => void = () => undefined;
  fileSystem.slow = new Promise((resolve) => {
    goOn = resolve;
  });
  const old = record.noteDisk(a);
  const replaced = record
    .change(({ disks: _, ...identity }) => ({ ...identity, members: [b, c], joining: [a] }))
    .then(async () => {
      for (const name of await fileSystem.list('/cluster/a')) await fileSystem.remove(`/cluster/a/${name}`);
      const disk = await diskOf(a);
      await record.noteDisk(a);
      return disk;
    });
  await new Promise((resolve) => setTimeout(resolve, 5));
  goOn();
  await old;
  const disk = await replaced;
  expect(record.identity.disks).toEqual({ a: disk });
  expect((await onDisk()).disks).toEqual({ a: disk });
});

test('a change that cannot be written does not count, and the next one begins where it did', async () => {
  const failing = record.change(() => {
    throw new Error('no such change');
  });
  await expect(failing).rejects.toThrow('no such change');
  await record.change((identity) => ({ ...identity, epoch: identity.epoch + 1 }));
  expect((await onDisk()).epoch).toBe(2);
});

test('a node that was let go of while it opened is not noted', async () => {
  const joining = 'd' as NodeId;
  await diskOf(joining);
  await record.noteDisk(joining);
  expect(record.identity.disks).toBeUndefined();
});

test("what was begun before it is closed is written, and nothing after: the directory may be another's by then", async () => {
  const begun = record.change((identity) => ({ ...identity, epoch: 2 }));
  await record.close();
  expect((await onDisk()).epoch).toBe(2);
  await begun;
  await expect(record.change((identity) => ({ ...identity, epoch: 3 }))).rejects.toMatchObject({
    code: 'ERR_STOPPED',
  });
  await diskOf(a);
  await expect(record.noteDisk(a)).rejects.toMatchObject({ code: 'ERR_STOPPED' });
  expect(await onDisk()).toEqual({ ...first, epoch: 2 });
});
