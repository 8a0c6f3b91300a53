/** A case of the conformance suite: one sentence that must hold of every protocol, and how it is tried. */
import type { Protocol } from '../protocol.ts';

/**
 * `interface`: what the replica relies on whatever the protocol decides: encoding, purity, answers.
 * `safety`: nothing wrong is ever promised, committed or read; and with all nodes up, things go on.
 * `liveness`: somebody leads and commits as long as a majority is up; a lead can be handed over.
 */
export type ConformancePart = 'interface' | 'safety' | 'liveness';

export type AnyProtocol = Protocol<unknown, unknown>;

export interface Trial {
  readonly protocol: AnyProtocol;
  /** Schedules of random faults for each size of cluster. */
  readonly seeds: number;
}

export interface CaseDefinition {
  readonly part: ConformancePart;
  /** A sentence. */
  readonly name: string;
  /** Throws if it does not hold. */
  readonly check: (trial: Trial) => void;
}

/** @throws Error naming what does not hold */
export function must(condition: boolean, sentence: string): asserts condition {
  if (!condition) throw new Error(sentence);
}
