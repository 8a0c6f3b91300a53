/** What a bench of failovers is asked to do. */
import type { FailoverKind } from './kind.ts';
import type { FailoverConditions } from './result.ts';

export interface FailoverOptions
  extends Pick<FailoverConditions, 'outstanding' | 'electionTimeoutMs' | 'heartbeatMs' | 'peerDownHints'> {
  readonly algorithms: readonly string[];
  readonly kinds: readonly FailoverKind[];
  /** Of each algorithm under each kind. */
  readonly trials: number;
  readonly seed: number;
  readonly verify: boolean;
}
