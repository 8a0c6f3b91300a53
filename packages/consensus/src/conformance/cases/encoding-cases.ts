/** Encoding: messages cross links and come back, and what is no message is refused in one way only. */
import { isDeepStrictEqual } from 'node:util';
import { decodeValue, encodeValue, hasCode } from '@quorate/core';
import { type AnyProtocol, type CaseDefinition, must, type Trial } from '../conformance-case.ts';
import { watchLivelyRuns } from '../lively-run.ts';
import { copyOfPlainData } from '../plain-data.ts';

export const encodingCases: readonly CaseDefinition[] = [
  { part: 'interface', name: 'every message survives its encoding', check: roundTrip },
  { part: 'interface', name: 'what is no message is refused with ERR_FRAME_INVALID', check: garbage },
  {
    part: 'interface',
    name: 'a message with one field spoilt is refused with ERR_FRAME_INVALID, or is a message',
    check: spoilt,
  },
];

/** Messages as the nodes of lively runs sent them, evenly picked. */
function sampleWires(protocol: AnyProtocol, countMax: number): readonly (readonly unknown[])[] {
  const wires: (readonly unknown[])[] = [];
  watchLivelyRuns(protocol, { encoded: (wire) => wires.push(copyOfPlainData(wire) as readonly unknown[]) });
  must(wires.length > 100, 'nodes talk');
  const stride = Math.max(1, Math.floor(wires.length / countMax));
  return wires.filter((_, at) => at % stride === 0);
}

function roundTrip({ protocol }: Trial): void {
  for (const wire of sampleWires(protocol, 2_000)) {
    must(Array.isArray(wire), 'a message is encoded as a positional array');
    const carried = decodeValue(encodeValue(wire));
    const again = protocol.encodeMessage(protocol.decodeMessage(carried));
    must(isDeepStrictEqual(plain(again), plain(wire)), `${JSON.stringify(wire)} comes back as it was`);
  }
}

/** Bytes compare by content, whatever kind of view they came as. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
}

/** Beyond the safe integers one more is the same number again: an index there would stand still. */
function holdsSafeNumbers(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER;
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return true;
  return Object.values(value).every(holdsSafeNumbers);
}

/** @returns whether `wire` is refused; throws if it is refused in any other way */
function isRefused(protocol: AnyProtocol, wire: unknown): boolean {
  let message: unknown;
  try {
    message = protocol.decodeMessage(wire);
  } catch (error) {
    must(hasCode(error, 'ERR_FRAME_INVALID'), `only ERR_FRAME_INVALID is thrown, not ${String(error)}`);
    return true;
  }
  must(
    holdsSafeNumbers(message),
    `${JSON.stringify(wire)} would be a message with numbers beyond the safe ones`,
  );
  return false;
}

function garbage({ protocol }: Trial): void {
  const nested = Array.from({ length: 50 }).reduce<unknown>((inside) => [inside], 1);
  const never = [
    undefined,
    null,
    0,
    Number.NaN,
    'text',
    true,
    {},
    new Uint8Array(3),
    nested,
    [{}],
    [2 ** 40],
    [null],
  ];
  for (const wire of never) must(isRefused(protocol, wire), `${String(wire)} is no message`);
}

type Path = readonly number[];

function pathsOf(value: unknown, path: Path = []): Path[] {
  if (!Array.isArray(value)) return [path];
  return [path, ...value.flatMap((field, at) => pathsOf(field, [...path, at]))];
}

function fieldAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((inside, at) => (inside as readonly unknown[])[at], value);
}

function withField(value: unknown, [at, ...rest]: Path, field: unknown): unknown {
  if (at === undefined) return field;
  const fields = [...(value as readonly unknown[])];
  fields[at] = withField(fields[at], rest, field);
  return fields;
}

/** What a field of another kind can never be mistaken for. */
function neverInPlaceOf(field: unknown): readonly unknown[] {
  const always = [{}, Number.NaN, new Map(), () => 0];
  switch (typeof field) {
    case 'number':
      return [...always, 'text', true, [], new Uint8Array(1)];
    case 'string':
      return [...always, 7, true, []];
    case 'boolean':
      return [...always, 'text', 7, []];
    default:
      return Array.isArray(field) || field instanceof Uint8Array ? [...always, 7, 'text', true] : always;
  }
}

/** Values at the edges of what is allowed: some of them make another message, and none makes another error. */
const perhaps: readonly unknown[] = [
  null,
  -1,
  0,
  1.5,
  2 ** 53 - 1,
  2 ** 53,
  1e300,
  -0,
  '',
  [],
  [[]],
  new Uint8Array(0),
];

function spoilt({ protocol }: Trial): void {
  for (const wire of sampleWires(protocol, 150)) {
    must(isRefused(protocol, wire.slice(0, -1)), `${JSON.stringify(wire)} without its last field is refused`);
    isRefused(protocol, [...wire, 1]);
    for (const path of pathsOf(wire).slice(0, 60)) {
      for (const field of neverInPlaceOf(fieldAt(wire, path))) {
        const what = `${JSON.stringify(wire)} with ${String(field)} at ${path.join('/')} is refused`;
        must(isRefused(protocol, withField(wire, path, field)), what);
      }
      for (const field of perhaps) isRefused(protocol, withField(wire, path, field));
    }
  }
}
