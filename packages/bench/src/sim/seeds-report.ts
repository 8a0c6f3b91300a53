/** What the seeds of an algorithm came to, for people to read. */
import type { SimulationResult } from '@quorate/simulation';
import { repeatCommand } from './repeat-command.ts';
import type { SeedsResult } from './simulate-seeds.ts';

export function describeSeeds(result: SeedsResult, firstSeed: number): string {
  const { algorithm, seeds, failures, faults, strikes, reads, staleReads, readsBehindSession } = result;
  const { orders } = result;
  const passed = seeds - failures.length;
  const levels = Object.entries(reads).map(([level, count]) => `${count} ${level}`);
  return [
    `${algorithm}: ${passed} of ${seeds} seeds passed (from seed ${firstSeed}), ` +
      `${result.virtualSeconds.toFixed(0)} s of virtual time in ${result.elapsedSeconds.toFixed(1)} s`,
    `  operations acknowledged: ${result.acknowledged}, at least ${result.acknowledgedLeast} a seed; ` +
      `outcome unknown: ${result.unknown}`,
    `  reads: ${levels.join(', ')}; stale, as they may be: ` +
      `${staleReads.session} session, ${staleReads.eventual} eventual, ` +
      `${readsBehindSession.eventual} of these behind their own session`,
    `  histories whose order was searched for in vain: ${result.historiesUnjudged}; every answer was held against the ` +
      'order of application',
    `  leader changes: ${result.leaderChanges}, at least ${result.leaderChangesLeast} a seed`,
    `  epochs: ${orders.made} changes, ${orders.swaps} of the algorithm, ${orders.joined} with a node that joined, ` +
      `${orders.left} with one that left, ${orders.readmitted} with one readmitted on a blank disk, ` +
      `${orders.flexible} with a quorum that is no majority; the lead handed over: ${orders.transferred}; ` +
      `orders refused: ${orders.refused}, outcome unknown: ${orders.unknown}`,
    `  strikes: ${Object.entries(strikes)
      .map(([kind, count]) => `${count} ${kind}`)
      .join(', ')}`,
    `  faults: ${faultNames.map(([kind, name]) => `${faults[kind]} ${name}`).join(', ')}`,
    ...failures.flatMap((failure) => describeFailure(failure, result.asked)),
    ...describeShrunk(result),
  ].join('\n');
}

const faultNames: readonly (readonly [keyof SimulationResult['faults'], string])[] = [
  ['crashes', 'crashes'],
  ['writesLost', 'unsynced writes lost'],
  ['writesTorn', 'torn'],
  ['kills', 'kills'],
  ['restarts', 'restarts'],
  ['pauses', 'pauses'],
  ['staleTimers', 'stale timers'],
  ['driftingClocks', 'drifting clocks'],
  ['cut', 'messages lost to cuts'],
  ['dropped', 'dropped'],
  ['duplicated', 'duplicated'],
  ['reordered', 'reordered'],
];

export function describeFailure(
  { algorithm, seed, nodes, violation }: SimulationResult,
  asked: SeedsResult['asked'],
): readonly string[] {
  return [
    `  seed ${seed} (${nodes} nodes) FAILED: ${violation ?? ''}`,
    `  repeat it: ${repeatCommand({ ...asked, algorithm, seed })}`,
  ];
}

function describeShrunk({ shrunk }: SeedsResult): readonly string[] {
  if (shrunk === undefined) return [];
  const { options, result, attempts } = shrunk;
  return [
    `  seed ${options.seed}, made small in ${attempts} runs (${result.nodes} nodes): ${result.violation ?? ''}`,
    `  repeat it: ${repeatCommand(options)}`,
  ];
}
