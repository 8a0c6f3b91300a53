/**
 * A link carries frames from this node to one peer; what lies between is its own affair.
 *
 * Nothing above a link may assume that both ends share a process, a clock or a fate. A link promises
 * order while it is healthy, and delivers a frame at most once unless it is told to misbehave.
 */
export interface Link {
  /**
   * Sends one frame. The link takes ownership: `frame` fills a buffer of exactly its size, which the
   * caller must not touch again. Never throws; a frame that cannot leave is lost.
   */
  send(frame: Uint8Array): void;
  /** Idempotent. What is sent afterwards is lost. */
  close(): void;
}
