/**
 * The consistency levels of reads: each keeps its promise over seeds full of faults, and each weaker one is seen to
 * be weaker, so that none of them costs more than it gives.
 *
 * Every read of a simulation is held to its promise when it is answered (`applied-order.ts`): an answer that breaks
 * it ends the run as a violation. What is counted here is what a level may do and the next stronger one may not.
 */
import { type Consistency, clockRateRatioMax, consistencies } from '@quorate/consensus';
import { beforeAll, describe, expect, test } from 'vitest';
import { playTranscript } from '../src/scenario/play.ts';
import { parseTranscript } from '../src/scenario/transcript.ts';
import { type SimulationResult, simulate } from '../src/simulate.ts';

const sweepTimeoutMs = 120_000;
const algorithms = ['raft', 'multi-paxos'] as const;

describe.each(algorithms)('over seeds with faults, %s', (algorithm) => {
  const results: SimulationResult[] = [];
  beforeAll(async () => {
    for (let seed = 101; seed <= 112; seed++)
      results.push(await simulate({ algorithm, seed, operations: 300 }));
  }, sweepTimeoutMs);

  function total(counts: 'reads' | 'staleReads' | 'readsBehindSession', level: Consistency): number {
    return results.reduce((sum, result) => sum + result[counts][level], 0);
  }

  test('no read of any level breaks its promise, and there are many of each', () => {
    const violations = results.filter(({ violation }) => violation !== undefined);
    expect(violations.map(({ seed, violation }) => ({ seed, violation }))).toEqual([]);
    for (const level of consistencies) expect(total('reads', level)).toBeGreaterThan(100);
  });

  test.each(['linearizable', 'lease'] as const)(
    'a %s read sees whatever anyone was told of before it was asked',
    (level) => expect(total('staleReads', level)).toBe(0),
  );

  test('a session read sees what its session has seen and done, and may miss what others were told of', () => {
    expect(total('readsBehindSession', 'session')).toBe(0);
    expect(total('staleReads', 'session')).toBeGreaterThan(0);
  });

  test('an eventual read may miss even what its own session has seen', () => {
    expect(total('readsBehindSession', 'eventual')).toBeGreaterThan(0);
  });
});

describe.each(algorithms)('a leader that is cut off, and its lease, %s', (algorithm) => {
  /** The others elect another leader as early as that can be, and 2 is written there; whom client 2 asks knows 1. */
  async function leaseRead(clockRate: number): Promise<{ readonly seen: string; readonly wrong: string }> {
    const story = parseTranscript(
      'lease-and-drift',
      [
        '# A lease, and a clock that is slow',
        `# Protocols: ${algorithm}`,
        '# Source: the definition of a lease',
        '',
        'set election timeout 150ms to 151ms',
        'cluster a b c',
        'lead a',
        'put x 1',
        `clock of a runs at ${clockRate}`,
        'client 2 reaches a',
        'run 200ms',
        'hold timers of a',
        'isolate a',
        'client 1 reaches b c',
        'expect one of b c leads within 500ms',
        'put x 2',
        'client 2: get x lease within 50ms',
        '',
      ].join('\n'),
    );
    const { outputs, failure = '' } = await playTranscript(story, algorithm);
    return { seen: outputs.flat().at(-1) ?? '', wrong: failure };
  }

  test.each([1, 0.8, 1 / clockRateRatioMax + 0.01])(
    'is over before anybody else leads, if its clock runs at %s of theirs: a lease read is linearizable',
    async (clockRate) => {
      const { seen, wrong } = await leaseRead(clockRate);
      expect(wrong).toBe('');
      expect(seen).toBe('client 2: get x lease -> ERR_NO_QUORUM');
    },
  );

  test.each([0.4, 0.25])(
    'outlasts the loyalty it stands on, if its clock runs at %s of theirs: beyond the bound a lease read is stale',
    async (clockRate) => {
      const { seen, wrong } = await leaseRead(clockRate);
      expect(seen).toBe('client 2: get x lease -> 1');
      expect(wrong).toContain('not linearizable');
    },
  );
});
