/**
 * The power fails at each write of a node that is sent a snapshot, or takes its own: before its file is
 * there, between the file and the record of it in the log, and after both. Nothing acknowledged is lost, whichever.
 */
import type { NodeId } from '@quorate/core';
import { decodeSegment } from '@quorate/storage';
import { describe, expect, test } from 'vitest';
import { ScenarioFailure, Stage } from '../src/scenario/stage.ts';
import { perform } from '../src/scenario/vocabulary.ts';

type Side = 'no file' | 'a file alone' | 'a file and its record';

interface Struck {
  /** What was on the disk; undefined when all was over before the node had written so often. */
  readonly side: Side | undefined;
  readonly failure: string | undefined;
}

interface Course {
  /** Whose power fails. */
  readonly node: NodeId;
  readonly before: readonly string[];
  /** From here on the writes of the node are counted. */
  readonly during: readonly string[];
}

const snapshots = 'set snapshot every 300 bytes';
const courses: Readonly<Record<string, Course>> = {
  'that is sent one, having slept through what the others have forgotten': {
    node: 'c' as NodeId,
    before: ['put x 1', 'run 100ms', 'isolate c', 'put x 40 times', 'run 200ms', 'heal'],
    during: ['run 400ms'],
  },
  'that takes its own while commands come in': {
    node: 'b' as NodeId,
    before: ['put x 1', 'run 100ms'],
    during: ['put x 14 times', 'run 100ms'],
  },
};

async function strike(algorithm: string, { node, before, during }: Course, write: number): Promise<Struck> {
  const stage = new Stage(algorithm, {});
  stage.settings.seed = write;
  let side: Side | undefined;
  try {
    for (const line of [snapshots, 'cluster a b c', 'lead a', ...before]) await perform(stage, line);
    const known = newestFile(stage, node);
    stage.cluster.crashAtWrite(node, write);
    for (const line of during) await perform(stage, line);
    if (stage.cluster.node(node).runtime === undefined) {
      side = sideOf(stage, node, known);
      stage.cluster.revive(node);
      const isBack = (): boolean => stage.cluster.node(node).opened !== undefined;
      await stage.until(isBack, 1_000, `${node} is open again`);
    } else stage.cluster.node(node).strikeAtWrite(undefined);
    stage.takeLines();
    await perform(stage, 'put y 1');
    await perform(stage, 'get y');
    expect(stage.takeLines()).toEqual(['client 1: put y 1 -> ok', 'client 1: get y -> 1']);
    await perform(stage, 'expect replicas agree within 5s');
    stage.judge();
  } catch (error) {
    if (!(error instanceof ScenarioFailure)) throw error;
    return { side, failure: error.message };
  }
  return { side, failure: undefined };
}

/** The index of the newest snapshot that is a file. */
function newestFile(stage: Stage, node: NodeId): number {
  const paths = stage.cluster.node(node).disk.content.paths();
  const indexes = paths.filter((path) => path.endsWith('.snap')).map((path) => Number(path.split('-')[2]));
  return Math.max(0, ...indexes);
}

function sideOf(stage: Stage, node: NodeId, known: number): Side {
  const { content } = stage.cluster.node(node).disk;
  const newest = newestFile(stage, node);
  if (newest === known) return 'no file';
  const isNamed = content
    .paths()
    .filter((path) => path.endsWith('.log'))
    .flatMap((path) => decodeSegment(content.image(path)).frames)
    .some(
      (frame) => frame.kind === 'record' && frame.record.type === 'snapshot' && frame.record.index === newest,
    );
  return isNamed ? 'a file and its record' : 'a file alone';
}

describe.each(['raft', 'multi-paxos'])(
  'scenario 36: under %s the power fails at any write of',
  (algorithm) => {
    test.each(Object.entries(courses))('a node %s', async (_, course) => {
      const seen = new Map<Side, number>();
      for (let write = 1; ; write++) {
        const { side, failure } = await strike(algorithm, course, write);
        expect({ write, side, failure }).toEqual({ write, side, failure: undefined });
        if (side === undefined) break;
        seen.set(side, (seen.get(side) ?? 0) + 1);
      }
      expect([...seen.keys()].sort()).toEqual(['a file alone', 'a file and its record', 'no file']);
    });
  },
);
