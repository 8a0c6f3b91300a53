/** A node whose log ended in a torn commit goes on without it, and says what it dropped. */
import {
  defineActor,
  type LogFields,
  type NodeId,
  NodeRuntime,
  seededRandom,
  silentLog,
} from '@quorate/core';
import { decodeSegment, MemoryFileSystem } from '@quorate/storage';
import { expect, test } from 'vitest';
import { manualClock } from '../../../core/test/manual-clock.ts';
import { raft } from '../../src/raft/raft.ts';
import { openNode } from '../../src/replica/open-node.ts';
import type { OpenedReplica } from '../../src/replica/open-replica.ts';
import { defaultTuning } from '../../src/replica/tuning.ts';
import { defineStateMachine } from '../../src/state-machine.ts';

const machine = defineStateMachine<unknown, unknown, unknown>({ version: 1 }, () => ({
  apply: () => null,
  query: () => null,
  snapshot: () => null,
  restore: () => undefined,
}));

/** The only member of its cluster: it elects itself. Returns what it warned of, and its replica. */
async function live(disk: MemoryFileSystem, lives: number) {
  const clock = manualClock();
  const warnings: { readonly line: string; readonly fields: LogFields | undefined }[] = [];
  const log = {
    ...silentLog,
    warn: (line: string, fields?: LogFields) => void warnings.push({ line, fields }),
  };
  let opened: OpenedReplica | undefined;
  const node = 'a' as NodeId;
  const runtime = new NodeRuntime({ node, clock, random: seededRandom(lives), log });
  const actor = defineActor<unknown, void>((context) =>
    openNode(context, {
      clusterId: 'c',
      fileSystem: disk.mount(),
      directory: '/a',
      machine,
      epoch: { number: 1, algorithm: 'raft', acceptQuorum: undefined, members: [node] },
      loadProtocol: async () => raft as never,
      tuning: { ...defaultTuning, segmentBytes: 64 * 1024 },
      onOpened: (one) => {
        opened = one;
      },
    }),
  );
  runtime.spawn('node', actor);
  await clock.advance(2_000);
  disk.detach();
  return { warnings, reign: opened?.protocol.status(opened.protocolState).reign };
}

const path = '/a/log/0000000000000001.log';

test('is told as a warning, with the segment, the place and the bytes', async () => {
  const disk = new MemoryFileSystem();
  expect(await live(disk, 1)).toEqual({ warnings: [], reign: 1 });
  const { frames } = decodeSegment(disk.image(path));
  const start = frames.findLast(({ kind }) => kind === 'commit')?.start ?? 0;
  const end = frames.at(-1)?.end ?? 0;
  // The end of the last commit was still on its way when the power failed.
  disk.overwrite(path, end - 16, new Uint8Array(16));
  const { warnings, reign } = await live(disk, 2);
  expect(warnings).toEqual([
    {
      line: 'the last commit of the log was torn, and what had arrived of it was dropped',
      fields: { path, position: start, bytes: expect.any(Number) },
    },
  ]);
  const bytes = Number(warnings[0]?.fields?.['bytes']);
  expect(bytes).toBeGreaterThan(0);
  expect(bytes).toBeLessThanOrEqual(end - 16 - start);
  // It goes on, and the next start finds nothing to tell.
  expect(reign).toBeGreaterThanOrEqual(1);
  expect((await live(disk, 3)).warnings).toEqual([]);
});
