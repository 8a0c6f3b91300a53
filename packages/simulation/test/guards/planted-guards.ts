/** Every guard that a scenario tests, with the way to take it out: without it, the scenario must go red. */
import { electionAndCommitGuards } from './elections-and-commit.ts';
import { livenessGuards } from './liveness.ts';
import { memberAndEpochGuards } from './members-and-epochs.ts';
import { readAndSessionGuards } from './reads-and-sessions.ts';
import type { PlantedGuard } from './removal.ts';
import { storageGuards } from './storage.ts';

export const plantedGuards: readonly PlantedGuard[] = [
  ...electionAndCommitGuards,
  ...livenessGuards,
  ...memberAndEpochGuards,
  ...readAndSessionGuards,
  ...storageGuards,
];
