/**
 * What a fault is: a name, a sentence for people, and how it strikes a running cluster.
 */
import type { ClusterFaults } from '@quorate/consensus';
import type { Random } from '@quorate/core';

/** The cluster at the moment at which a fault strikes. */
export interface Scene {
  readonly faults: Pick<ClusterFaults, 'kill' | 'restart' | 'pause' | 'resume' | 'partition' | 'heal'>;
  readonly leader: string;
  /** Every other node that is up, in the order of the members. */
  readonly followers: readonly string[];
  /** Whether a killed node finds its data again: not if all it had was memory. */
  readonly isDurable: boolean;
  readonly random: Random;
}

/** A fault that has struck. */
export interface Struck {
  /** The node or link that was hit. */
  readonly target: string;
  /** Undefined: there is no way back. */
  readonly mend: (() => Promise<void>) | undefined;
}

/** A fault that a run can schedule by name. */
export interface Fault {
  readonly name: string;
  /** One sentence: what happens, and how it is mended. */
  readonly sentence: string;
  /** In a smaller cluster it has nothing to hit. */
  readonly nodesMin: number;
  /** Whether it ends a node's thread: without a disk that node stays away. */
  readonly isKill: boolean;
  strike(scene: Scene): Promise<Struck>;
}
