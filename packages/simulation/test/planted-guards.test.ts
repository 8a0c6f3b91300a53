/** Each guard that a scenario is about, taken out: the scenario goes red. */
import { resolve } from 'node:path';
import type { Protocol, StateMachineDefinition } from '@quorate/consensus';
import { afterEach, expect, test, vi } from 'vitest';
import { type AnyFunction, plantedCrashGuards, plantedGuards, type Removal } from './planted-guards.ts';

type AnyProtocol = Protocol<unknown, unknown>;

const packages = resolve(import.meta.dirname, '../..');
/** The guards that are out at the moment. */
let absent: readonly Removal[] = [];
let putBack: (() => void)[] = [];
const all = [...plantedGuards, ...plantedCrashGuards].flatMap(({ removals }) => removals);

// Every file with a guard in it is loaded once, with functions that look whether they are out.
const files = new Set(all.flatMap((removal) => (removal.kind === 'function' ? [removal.file] : [])));
for (const file of files) {
  vi.doMock(resolve(packages, file), async (importOriginal) => {
    const module = await importOriginal<Record<string, unknown>>();
    const guarded: Record<string, unknown> = { ...module };
    for (const removal of all) {
      if (removal.kind !== 'function' || removal.file !== file) continue;
      const { name } = removal;
      const original = module[name] as AnyFunction;
      guarded[name] = (...values: unknown[]) => {
        const out = absent.find((one) => one.kind === 'function' && one.file === file && one.name === name);
        return out?.kind === 'function' ? out.spoil(original)(...values) : original(...values);
      };
    }
    return guarded;
  });
}
const { readScenario } = await import('../src/scenario/catalogue.ts');
const { firstDifference, playTranscript } = await import('../src/scenario/play.ts');
const { changeWithCrash } = await import('./crash-in-change.ts');

async function takeOut(removal: Removal): Promise<void> {
  absent = [...absent, removal];
  if (removal.kind !== 'method') return;
  const module = (await import(/* @vite-ignore */ resolve(packages, removal.file))) as Record<
    string,
    { prototype: Record<string, AnyFunction> }
  >;
  const prototype = module[removal.type]?.prototype;
  const original = prototype?.[removal.name];
  expect(original).toBeTypeOf('function');
  if (prototype === undefined || original === undefined) return;
  const spoiled = removal.spoil(original);
  prototype[removal.name] = function (this: unknown, ...values: unknown[]) {
    return spoiled(this, ...values);
  };
  putBack.push(() => {
    prototype[removal.name] = original;
  });
}

afterEach(() => {
  absent = [];
  for (const back of putBack) back();
  putBack = [];
});

const cases = plantedGuards.flatMap((guard) =>
  guard.protocols.map((protocol) => [guard.scenario, protocol, guard] as const),
);

test.each(cases)('%s under %s goes red without its guard', async (scenario, protocol, { removals, red }) => {
  for (const removal of removals) await takeOut(removal);
  const transcript = readScenario(scenario);
  const plant = {
    protocol: (sound: AnyProtocol) =>
      removals.reduce(
        (spoiled, removal) => (removal.kind === 'border' ? removal.spoil(spoiled) : spoiled),
        sound,
      ),
    machine: (sound: StateMachineDefinition) =>
      removals.reduce(
        (spoiled, removal) => (removal.kind === 'machine' ? removal.spoil(spoiled) : spoiled),
        sound,
      ),
  };
  const played = await playTranscript(transcript, protocol, plant);
  const seen = played.failure ?? firstDifference(transcript, played) ?? 'nothing unusual';
  expect(seen).toMatch(red);
});

const swaps = [
  ['raft', 'multi-paxos'],
  ['multi-paxos', 'raft'],
] as const;
const crashCases = plantedCrashGuards.flatMap((planted) =>
  swaps.map(([algorithm, to]) => ({ ...planted, algorithm, to })),
);

test.each(crashCases)('$guard: seen when a node crashes while $algorithm gives way', async (planted) => {
  const { removals, red, algorithm, to } = planted;
  for (const removal of removals) await takeOut(removal);
  let seen: string | undefined;
  let didCrash = true;
  for (let write = 1; didCrash && seen === undefined; write++) {
    const struck = await changeWithCrash({ algorithm, change: { algorithm: to } }, { node: 'a', write });
    seen = struck.failure;
    didCrash = struck.didCrash;
  }
  expect(seen).toMatch(red);
});

test('with nothing taken out, the same scenarios pass', async () => {
  for (const [scenario, protocol] of cases) {
    const transcript = readScenario(scenario);
    const played = await playTranscript(transcript, protocol);
    expect({ scenario, failure: played.failure }).toEqual({ scenario, failure: undefined });
  }
});
