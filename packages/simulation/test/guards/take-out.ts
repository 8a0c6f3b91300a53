/**
 * Takes guards out and puts them back. Every file with a guard in it is loaded once, with functions that look
 * whether they are out; so this is imported, and told of all guards, before anything that it shall replace.
 */
import { resolve } from 'node:path';
import type { Protocol, StateMachineDefinition } from '@quorate/consensus';
import { expect, vi } from 'vitest';
import type { Plant } from '../../src/scenario/stage.ts';
import type { AnyFunction, Removal } from './removal.ts';

type AnyProtocol = Protocol<unknown, unknown>;

const packages = resolve(import.meta.dirname, '../../..');
/** The guards that are out at the moment. */
let absent: readonly Removal[] = [];
let putBack: (() => void)[] = [];

/** From now on each of these functions can be taken out. */
export function prepare(all: readonly Removal[]): void {
  const files = new Set(all.flatMap((removal) => (removal.kind === 'function' ? [removal.file] : [])));
  for (const file of files) {
    const names = all.flatMap((one) => (one.kind === 'function' && one.file === file ? [one.name] : []));
    vi.doMock(resolve(packages, file), async (importOriginal) => {
      const module = await importOriginal<Record<string, unknown>>();
      const guarded = names.map((name) => [name, replaceable({ file, name }, module[name])] as const);
      return { ...module, ...Object.fromEntries(guarded) };
    });
  }
}

function replaceable(
  where: { readonly file: string; readonly name: string },
  original: unknown,
): AnyFunction {
  const { file, name } = where;
  if (typeof original !== 'function') throw new TypeError(`${file} exports no function ${name}`);
  return (...values) => {
    const out = absent.find((one) => one.kind === 'function' && one.file === file && one.name === name);
    return out?.kind === 'function'
      ? out.spoil(original as AnyFunction)(...values)
      : (original as AnyFunction)(...values);
  };
}

/** Takes these out, all together. */
export async function takeOut(removals: readonly Removal[]): Promise<void> {
  absent = removals;
  for (const removal of removals) if (removal.kind === 'method') await takeOutMethod(removal);
}

async function takeOutMethod({
  file,
  type,
  name,
  spoil,
}: Removal & { readonly kind: 'method' }): Promise<void> {
  const module = (await import(/* @vite-ignore */ resolve(packages, file))) as Record<
    string,
    { prototype: Record<string, AnyFunction> }
  >;
  const prototype = module[type]?.prototype;
  const original = prototype?.[name];
  expect(original).toBeTypeOf('function');
  if (prototype === undefined || original === undefined) return;
  const spoiled = spoil(original);
  prototype[name] = function (this: unknown, ...values: unknown[]) {
    return spoiled(this, ...values);
  };
  putBack.push(() => {
    prototype[name] = original;
  });
}

/** Puts all of them back. */
export function putAllBack(): void {
  absent = [];
  for (const back of putBack) back();
  putBack = [];
}

/** What of these stands at a border of the cluster. */
export function plantOf(removals: readonly Removal[]): Required<Plant> {
  return {
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
}
