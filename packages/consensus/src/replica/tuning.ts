/**
 * The tunables of a replica, and what they are where nobody says otherwise.
 */

/** Durations in milliseconds, sizes in bytes. */
export interface ReplicaTuning {
  readonly electionTimeoutMs: readonly [min: number, max: number];
  readonly heartbeatMs: number;
  /** Whether the end of a peer's thread is told to the protocol. */
  readonly peerDownHints: boolean;
  readonly appendBytesMax: number;
  readonly appendsInFlightMax: number;
  readonly uncommittedBytesMax: number;
  readonly snapshotEveryBytes: number;
  readonly segmentBytes: number;
  /** Bytes of a snapshot that travel in one message. */
  readonly snapshotChunkBytes: number;
}

/** What holds unless options say otherwise. */
export const defaultTuning: ReplicaTuning = {
  electionTimeoutMs: [150, 300],
  heartbeatMs: 50,
  peerDownHints: true,
  appendBytesMax: 1 << 20,
  appendsInFlightMax: 64,
  uncommittedBytesMax: 64 << 20,
  snapshotEveryBytes: 64 << 20,
  segmentBytes: 64 << 20,
  snapshotChunkBytes: 256 << 10,
};
