/** The limits of a session on the client's side. Those of the replicated state stand in `replica/session-table.ts`. */

/** What a session may have under way. Whole numbers >= 1. */
export interface SessionLimitsOfClient {
  /** Batches under way at once; what comes meanwhile makes the next batches larger. */
  readonly batchesInFlightMax: number;
  readonly batchCommandsMax: number;
  /** Encoded size that a batch of several commands aims not to exceed. */
  readonly batchBytesMax: number;
  /** Commands that may wait, sent or not, before `propose` refuses with ERR_OVERLOADED. */
  readonly outstandingMax: number;
}

/** What a session may have under way unless told. */
export const defaultSessionLimitsOfClient: SessionLimitsOfClient = {
  batchesInFlightMax: 16,
  batchCommandsMax: 8_192,
  batchBytesMax: 1 << 20,
  outstandingMax: 100_000,
};
