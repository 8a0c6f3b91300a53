/** The public surface of `@quorate/simulation`. */

export { type Calmable, calmable } from './circumstances.ts';
export { type StrikeKind, strikeKinds } from './fault-plan.ts';
export {
  type History,
  type HistoryOperation,
  type OperationKind,
  type OperationOutcome,
  operationAt,
} from './history.ts';
export { HistoryBuilder, type HistoryEvent } from './history-event.ts';
export { historyText, parseHistory, readHistoryFile, writeHistoryFile } from './history-file.ts';
export { type ModelName, modelNames } from './history-models.ts';
export { HistoryRecorder, type HistoryRecorderOptions } from './history-recorder.ts';
export {
  type HistoryValue,
  InternedKeys,
  InternedValues,
  integerValues,
  type KeyTable,
  NULL_VALUE,
  numberedKeys,
  type ValueTable,
} from './history-value.ts';
export {
  checkInvariants,
  InvariantMemory,
  type NodeView,
  type SafetyProperty,
  safetyProperties,
} from './invariants/index.ts';
export {
  checkLinearizability,
  type LinearizabilityOptions,
  type LinearizabilityVerdict,
} from './linearizability.ts';
export { type PlantedBug, plantedBugs } from './planted-bugs.ts';
export { readScenario, rewriteScenario, scenarioNames } from './scenario/catalogue.ts';
export { firstDifference, type PlayedTranscript, playTranscript } from './scenario/play.ts';
export type { Transcript } from './scenario/transcript.ts';
export { commandForms } from './scenario/vocabulary.ts';
export { type Shrunk, shrink } from './shrink.ts';
export { type SimulationOptions, type SimulationResult, simulate } from './simulate.ts';
export type { FaultCounts } from './simulated-cluster.ts';
export type { NetworkCounts } from './simulated-network.ts';
export type { CountsByLevel } from './simulated-workload.ts';
export type { StrikeCounts } from './striker.ts';
