/** One seed in a thread of the pool: piscina calls the default export. */
import { type SimulationOptions, type SimulationResult, simulate } from '@quorate/simulation';

export default function runSeed(options: SimulationOptions): Promise<SimulationResult> {
  return simulate(options);
}
