/** Purity: a step depends on nothing but its state and its input, and changes nothing but its state. */
import { isDeepStrictEqual } from 'node:util';
import type { Effect, Input, ProtocolOptions, RecoveredState } from '../../protocol.ts';
import { type CaseDefinition, must, type Trial } from '../conformance-case.ts';
import { watchLivelyRuns } from '../lively-run.ts';
import type { Life } from '../observed-protocol.ts';

export const purityCases: readonly CaseDefinition[] = [
  { part: 'interface', name: 'the same inputs give the same effects', check: determinism },
  {
    part: 'interface',
    name: 'nothing that was handed in is changed, nor anything that was handed out',
    check: nothingChanged,
  },
];

interface RecordedStep {
  readonly input: Input<unknown>;
  readonly nowMs: number;
  effects: readonly Effect<unknown>[];
}

interface RecordedLife {
  readonly options: ProtocolOptions;
  readonly recovered: RecoveredState;
  readonly nowMs: number;
  readonly steps: RecordedStep[];
}

/**
 * Every life of every node is lived again, by itself, from copies of what it was given. Nobody looks at its
 * status the second time, so this also shows that looking changes nothing.
 */
function determinism({ protocol }: Trial): void {
  const lives = new Map<Life, RecordedLife>();
  watchLivelyRuns(protocol, {
    started: (life, options, recovered, nowMs) =>
      lives.set(life, { ...structuredClone({ options, recovered }), nowMs, steps: [] }),
    stepping: (life, input, nowMs) =>
      lives.get(life)?.steps.push({ input: structuredClone(input), nowMs, effects: [] }),
    stepped(life, effects) {
      const step = lives.get(life)?.steps.at(-1);
      if (step !== undefined) step.effects = structuredClone(effects);
    },
  });
  for (const { options, recovered, nowMs, steps } of lives.values()) {
    const state = protocol.start(options, recovered, nowMs);
    for (const { input, nowMs: atMs, effects } of steps) {
      const again: Effect<unknown>[] = [];
      protocol.step(state, input, atMs, again);
      must(isDeepStrictEqual(again, effects), `a '${input.type}' step repeated has the same effects`);
    }
  }
}

/** Objects are frozen, so that a change throws where it is made; bytes cannot be, and are compared. */
function nothingChanged({ protocol }: Trial): void {
  const bytes: { readonly held: Uint8Array; readonly copy: Uint8Array }[] = [];
  const seal = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
    if (value instanceof Uint8Array) {
      bytes.push({ held: value, copy: value.slice() });
      return;
    }
    Object.freeze(value);
    Object.values(value).forEach(seal);
  };
  watchLivelyRuns(protocol, {
    starting(options, recovered) {
      seal(options);
      seal(recovered);
    },
    stepping: (_, input) => seal(input),
    stepped: (_, effects) => effects.forEach(seal),
  });
  must(
    bytes.every(({ held, copy }) => Buffer.compare(held, copy) === 0),
    'bytes stay what they were',
  );
}
