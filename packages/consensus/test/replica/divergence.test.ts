/** The judgement of divergence, as a table, and the watch that brings the reports together. */
import type { NodeId } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import type { LogIndex } from '../../src/protocol.ts';
import { checkpointEntries, isCheckpoint, judgeDivergence } from '../../src/replica/divergence.ts';
import { DivergenceWatch } from '../../src/replica/divergence-watch.ts';

const names = ['a', 'b', 'c', 'd', 'e'] as NodeId[];
const [a, b, c] = names as [NodeId, NodeId, NodeId];

describe('the judgement of the first node, by what the others report', () => {
  // One letter a member: the hash that it reports, or a dot for silence. The first is the judge.
  test.each([
    ['x', 'agreed', 'a lone voter is its own majority'],
    ['xx', 'agreed', 'both agree'],
    ['xy', 'no-majority', 'of two that differ neither is right'],
    ['x.', 'open', 'the other is silent'],
    ['xxx', 'agreed', 'all agree'],
    ['xx.', 'agreed', 'a majority is enough'],
    ['xxy', 'agreed', 'the other is the one that differs'],
    ['xyy', 'outvoted', 'a minority of one'],
    ['xyz', 'no-majority', 'all differ'],
    ['xy.', 'disputed', 'the third may settle it'],
    ['x..', 'open', 'nobody has contradicted'],
    ['xxxyy', 'agreed', 'three of five'],
    ['xyyyx', 'outvoted', 'two of five'],
    ['xxyy.', 'disputed', 'the fifth may settle it'],
    ['xxyyz', 'no-majority', 'two, two and one'],
    ['xyz..', 'disputed', 'two silent ones could still join any'],
    ['xyzw.', 'no-majority', 'one more cannot make three'],
    ['xyy..', 'disputed', 'two are no majority of five'],
    ['xxx..', 'agreed', 'three of five, two silent'],
    ['xxxx', 'agreed', 'four of four'],
    ['xxyy', 'no-majority', 'a tie of four'],
    ['xxy.', 'disputed', 'two of four are no majority'],
  ] as const)('%s: %s (%s)', (reported, expected, _) => {
    const voters = names.slice(0, reported.length);
    const reports = new Map<NodeId, string>();
    for (const [at, hash] of [...reported].entries()) {
      if (hash !== '.') reports.set(names[at] as NodeId, hash);
    }
    expect(judgeDivergence({ voters, reports, own: 'x' }).type).toBe(expected);
  });

  test('names the hash of the majority', () => {
    const reports = new Map([
      [a, 'x'],
      [b, 'y'],
      [c, 'y'],
    ]);
    expect(judgeDivergence({ voters: [a, b, c], reports, own: 'x' })).toEqual({
      type: 'outvoted',
      majority: 'y',
    });
  });

  test.each([
    ['xx', 'agreed'],
    ['yy', 'outvoted'],
    ['y.', 'disputed'],
    ['xy', 'no-majority'],
    ['..', 'open'],
    ['x.', 'open'],
  ])('one that only learns is not counted: with voters that say %s it is %s', (said, expected) => {
    const reports = new Map([[a, 'x']]);
    for (const [at, hash] of [...said].entries()) if (hash !== '.') reports.set([b, c][at] as NodeId, hash);
    expect(judgeDivergence({ voters: [b, c], reports, own: 'x' }).type).toBe(expected);
  });
});

/** Checkpoint number `at`, counted from 1. */
const index = (at: number): LogIndex => (at * checkpointEntries) as LogIndex;

function watchOf(self: NodeId, voters: readonly NodeId[]) {
  const reported: [NodeId, number, string][] = [];
  const watch = new DivergenceWatch({
    self,
    voters: () => voters,
    report: (...report) => reported.push(report),
  });
  const applied = (at: number, hash: string): void => watch.applied(index(at), () => hash);
  return { watch, reported, applied };
}

const diverged = expect.objectContaining({ code: 'ERR_STATE_DIVERGED' });
function thrownBy(run: () => void): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('the watch', () => {
  test('hashes and reports at checkpoints, and not in between', () => {
    const { watch, reported } = watchOf(a, [a, b, c]);
    let hashed = 0;
    for (let at = 1; at <= 3 * checkpointEntries; at++)
      watch.applied(at as LogIndex, () => `hash ${++hashed}`);
    expect(reported).toEqual([1, 2, 3].flatMap((at) => [b, c].map((to) => [to, index(at), `hash ${at}`])));
    expect(isCheckpoint(checkpointEntries - 1)).toBe(false);
  });

  test('stops when the last report that was missing makes it a minority', () => {
    const { watch, applied } = watchOf(a, [a, b, c]);
    applied(1, 'x');
    watch.heard(b, index(1), 'y');
    const error = thrownBy(() => watch.heard(c, index(1), 'y'));
    expect(error).toEqual(diverged);
    expect(error).toMatchObject({ details: { index: index(1), reports: { a: 'x', b: 'y', c: 'y' } } });
    expect(String(error)).toContain('a majority has y');
  });

  test('stops when it comes to an index later than the majority', () => {
    const { watch, applied } = watchOf(a, [a, b, c]);
    watch.heard(b, index(1), 'y');
    watch.heard(c, index(1), 'y');
    expect(thrownBy(() => applied(1, 'x'))).toEqual(diverged);
  });

  test('goes on when another is the one that differs', () => {
    const { watch, applied } = watchOf(a, [a, b, c]);
    applied(1, 'x');
    watch.heard(b, index(1), 'y');
    watch.heard(c, index(1), 'x');
    watch.heard(b, index(1), 'y');
    for (let at = 2; at < 100; at++) {
      applied(at, `x${at}`);
      watch.heard(b, index(at), `y${at}`);
      watch.heard(c, index(at), `x${at}`);
    }
  });

  test('stops when no majority can come about', () => {
    const { watch, applied } = watchOf(a, [a, b, c]);
    applied(1, 'x');
    watch.heard(b, index(1), 'y');
    const error = thrownBy(() => watch.heard(c, index(1), 'z'));
    expect(error).toEqual(diverged);
    expect(String(error)).toContain('no hash has a majority');
  });

  test('makes up for a lost report by the next one', () => {
    const { watch, applied } = watchOf(a, [a, b, c]);
    applied(1, 'x1');
    watch.heard(b, index(1), 'y1');
    applied(2, 'x2');
    watch.heard(c, index(2), 'y2');
    expect(thrownBy(() => watch.heard(b, index(2), 'y2'))).toEqual(diverged);
  });

  test('an agreement settles what was disputed before it', () => {
    const { watch, applied } = watchOf(a, [a, b, c]);
    applied(1, 'x1');
    watch.heard(b, index(1), 'y1');
    applied(2, 'x2');
    watch.heard(b, index(2), 'x2');
    for (let at = 3; at < 60; at++) {
      applied(at, `x${at}`);
      watch.heard(b, index(at), `x${at}`);
    }
  });

  test('two that differ do not go on for long while the third is silent', () => {
    const { watch, applied } = watchOf(a, [a, b, c]);
    let stoppedAt = 0;
    for (let at = 1; stoppedAt === 0 && at < 100; at++) {
      const error = thrownBy(() => {
        applied(at, `x${at}`);
        watch.heard(b, index(at), `y${at}`);
      });
      if (error === undefined) continue;
      expect(error).toEqual(diverged);
      stoppedAt = at;
    }
    expect(stoppedAt).toBe(17);
  });

  test('waits for ever while nobody contradicts', () => {
    const { applied } = watchOf(a, [a, b, c]);
    for (let at = 1; at < 3_000; at++) applied(at, `x${at}`);
  });

  test('keeps what members far ahead have reported until it gets there', () => {
    const { watch, applied } = watchOf(a, [a, b, c]);
    for (let at = 1; at <= 500; at++) for (const from of [b, c]) watch.heard(from, index(at), `y${at}`);
    for (let at = 1; at < 500; at++) {
      const error = thrownBy(() => applied(at, at < 300 ? `y${at}` : `x${at}`));
      if (at < 300) expect(error).toBe(undefined);
      else return expect(error).toEqual(diverged);
    }
    expect.unreachable();
  });

  test('keeps no more of what is far ahead than its bound', () => {
    const { watch, applied } = watchOf(a, [a, b, c]);
    for (let at = 1; at <= 5_000; at++) for (const from of [b, c]) watch.heard(from, index(at), `y${at}`);
    // Forgotten, so there is nothing to compare with.
    applied(1, 'x1');
    expect(thrownBy(() => applied(4_999, 'x'))).toEqual(diverged);
  });

  test('takes no report from a stranger, nor for an index that is no checkpoint', () => {
    const { watch, applied } = watchOf(a, [a, b, c]);
    applied(1, 'x');
    for (const stranger of ['d', 'e'] as NodeId[]) watch.heard(stranger, index(1), 'y');
    for (const from of [b, c]) watch.heard(from, (index(1) + 1) as LogIndex, 'y');
    watch.applied((index(1) + 1) as LogIndex, () => 'x');
  });

  test('a member that reports twice has started anew: what it says last counts', () => {
    const { watch, applied } = watchOf(a, [a, b, c]);
    applied(1, 'x');
    watch.heard(b, index(1), 'y');
    watch.heard(b, index(1), 'x');
    watch.heard(c, index(1), 'y');
  });
});
