/** Faults at random, many schedules of them: safety all the time, and progress once they have ended. */
import { type ChaosSettings, runChaos } from '../chaos.ts';
import type { CaseDefinition, Trial } from '../conformance-case.ts';

export const chaosCases: readonly CaseDefinition[] = [1, 2, 3, 5].flatMap((nodes) => [
  {
    part: 'safety',
    name: `of ${nodes} nodes none breaks a promise under random faults, and all go on afterwards`,
    check: (trial) => chaos(trial, { nodes }),
  },
  {
    part: 'safety',
    name: `of ${nodes} nodes none breaks one with leases, drifting clocks, transfers and silence either`,
    check: (trial) => chaos(trial, { nodes, hasLeases: true, hasTransfers: true, hasQuiescence: true }),
  },
]);

function chaos(
  { protocol, seeds }: Trial,
  settings: Omit<ChaosSettings<unknown, unknown>, 'protocol' | 'seed'>,
): void {
  for (let seed = 1; seed <= seeds; seed++) runChaos({ ...settings, protocol, seed, chaosMs: 2_000 });
}
