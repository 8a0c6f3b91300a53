/** The public surface of `@quorate/simulation`. */
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
  checkLinearizability,
  type LinearizabilityOptions,
  type LinearizabilityVerdict,
} from './linearizability.ts';
