/** One seed in a thread of the pool: piscina calls the default export, or what it is told by name. */
import {
  type Shrunk,
  type SimulationOptions,
  type SimulationResult,
  shrink,
  simulate,
} from '@quorate/simulation';

export default function runSeed(options: SimulationOptions): Promise<SimulationResult> {
  return simulate(options);
}

export function shrinkSeed(failing: Omit<Shrunk, 'attempts'>): Promise<Shrunk> {
  return shrink(failing);
}
