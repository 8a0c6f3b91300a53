/**
 * The conformance suite: what every protocol behind `protocol.ts` must pass before a replica may run it.
 *
 * It needs no test framework. With one, each case becomes a test:
 *
 *     for (const { name, run } of conformanceCases(myProtocol)) test(name, run);
 *
 * A protocol that passes is not proven correct: the cases try what has gone wrong in protocols before, on
 * simulated nodes whose every step is checked (`safety.ts`), and then faults at random (`chaos.ts`).
 */
import { messageOf } from '@quorate/core';
import type { Protocol } from '../protocol.ts';
import { chaosCases } from './cases/chaos-cases.ts';
import { durabilityCases } from './cases/durability-cases.ts';
import { encodingCases } from './cases/encoding-cases.ts';
import { epochCases } from './cases/epoch-cases.ts';
import { hintCases } from './cases/hint-cases.ts';
import { leadershipCases } from './cases/leadership-cases.ts';
import { purityCases } from './cases/purity-cases.ts';
import { readCases } from './cases/read-cases.ts';
import { replicationCases } from './cases/replication-cases.ts';
import { snapshotCases } from './cases/snapshot-cases.ts';
import type { CaseDefinition, ConformancePart } from './conformance-case.ts';

/** A protocol does not do what a case demands. `cause` is what the case found. */
export class ConformanceFailure extends Error {
  readonly caseName: string;
  readonly protocolName: string;

  constructor(of: { readonly protocolName: string; readonly caseName: string }, cause: unknown) {
    super(`${of.protocolName}: ${of.caseName}: ${messageOf(cause)}`, { cause });
    this.name = 'ConformanceFailure';
    this.caseName = of.caseName;
    this.protocolName = of.protocolName;
  }
}

/** One thing that every protocol must do. */
export interface ConformanceCase {
  readonly part: ConformancePart;
  /** What must hold, as a sentence. */
  readonly name: string;
  /** Tries it, in virtual time; up to some seconds of real time. @throws ConformanceFailure */
  readonly run: () => void;
}

/** Which cases, and how much chaos. */
export interface ConformanceSettings {
  /** Only these parts; all of them by default. */
  readonly parts?: readonly ConformancePart[];
  /** Random schedules of faults for each size of cluster, at least 1. Default 20; each takes tens of milliseconds. */
  readonly seeds?: number;
}

const definitions: readonly CaseDefinition[] = [
  ...encodingCases,
  ...purityCases,
  ...leadershipCases,
  ...replicationCases,
  ...durabilityCases,
  ...readCases,
  ...snapshotCases,
  ...epochCases,
  ...hintCases,
  ...chaosCases,
];

/** The cases that `protocol` must pass, none of them run yet. */
export function conformanceCases<State, Message>(
  protocol: Protocol<State, Message>,
  { parts = ['interface', 'safety', 'liveness'], seeds = 20 }: ConformanceSettings = {},
): readonly ConformanceCase[] {
  return definitions
    .filter(({ part }) => parts.includes(part))
    .map(({ part, name, check }) => ({
      part,
      name,
      run: () => {
        try {
          check({ protocol, seeds });
        } catch (cause) {
          throw new ConformanceFailure({ protocolName: protocol.name, caseName: name }, cause);
        }
      },
    }));
}

/** Runs all cases. @returns what failed; nothing, if the protocol conforms */
export function conformanceFailures<State, Message>(
  protocol: Protocol<State, Message>,
  settings: ConformanceSettings = {},
): readonly ConformanceFailure[] {
  return conformanceCases(protocol, settings).flatMap(({ run }) => {
    try {
      run();
      return [];
    } catch (failure) {
      if (failure instanceof ConformanceFailure) return [failure];
      throw failure;
    }
  });
}
