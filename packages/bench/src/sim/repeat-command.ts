/** The one command that repeats a simulation: exactly that run, by what it was asked for. */
import type { SimulationOptions } from '@quorate/simulation';

export function repeatCommand(options: SimulationOptions): string {
  const { algorithm, seed, operations, nodes, strikes, calm, leaderChanges, plantedBug } = options;
  return [
    `quorate-bench sim --algorithm ${algorithm} --seeds 1 --seed ${seed}`,
    ...(nodes === undefined ? [] : [`--nodes ${nodes}`]),
    ...(strikes === undefined ? [] : [`--strikes ${strikes.length === 0 ? 'none' : strikes.join(',')}`]),
    ...(calm === undefined || calm.length === 0 ? [] : [`--calm ${calm.join(',')}`]),
    ...(operations === undefined ? [] : [`--operations ${operations}`]),
    ...(leaderChanges === undefined ? [] : [`--leader-changes ${leaderChanges}`]),
    ...(plantedBug === undefined ? [] : [`--plant ${plantedBug}`]),
  ].join(' ');
}
