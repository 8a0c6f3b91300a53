/** Seeded damage to bytes, for fuzzing decoders: what disks and bad luck do, and what an adversary would. */
import type { Random } from '@quorate/core';

const extremes = [0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

type Bytes = Uint8Array<ArrayBuffer>;
type Mutator = (bytes: Bytes, random: Random) => Bytes;

const mutators: readonly Mutator[] = [
  function flipBit(bytes, random) {
    const at = random.below(bytes.byteLength);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
    return bytes;
  },
  function setByte(bytes, random) {
    bytes[random.below(bytes.byteLength)] = random.below(256);
    return bytes;
  },
  function setNumber(bytes, random) {
    if (bytes.byteLength < 4) return bytes;
    const at = random.below(Math.floor(bytes.byteLength / 4)) * 4;
    const value = extremes[random.below(extremes.length)] ?? 0;
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(at, value, true);
    return bytes;
  },
  function zeroRange(bytes, random) {
    const [from, to] = range(bytes, random);
    return bytes.fill(0, from, to);
  },
  function noiseRange(bytes, random) {
    const [from, to] = range(bytes, random);
    for (let at = from; at < Math.min(to, from + 64); at++) bytes[at] = random.below(256);
    return bytes;
  },
  function moveRange(bytes, random) {
    const [from, to] = range(bytes, random);
    return bytes.copyWithin(random.below(bytes.byteLength), from, to);
  },
  function moveSector(bytes, random) {
    const sectors = Math.ceil(bytes.byteLength / 512);
    const from = random.below(sectors) * 512;
    return bytes.copyWithin(random.below(sectors) * 512, from, from + 512);
  },
  function cut(bytes, random) {
    return bytes.slice(0, random.below(bytes.byteLength));
  },
  function takeOut(bytes, random) {
    const [from, to] = range(bytes, random);
    return Uint8Array.from(Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]));
  },
  function putIn(bytes, random) {
    const [from, to] = range(bytes, random);
    const parts = [bytes.subarray(0, to), bytes.subarray(from)];
    return Uint8Array.from(Buffer.concat(parts).subarray(0, bytes.byteLength * 2));
  },
];

function range(bytes: Bytes, random: Random): [from: number, to: number] {
  const from = random.below(bytes.byteLength);
  return [from, Math.min(bytes.byteLength, from + 1 + random.below(random.chance(0.5) ? 16 : 1_024))];
}

/** A damaged copy of `bytes`: one to three mutations. */
export function mutate(bytes: Uint8Array, random: Random): Uint8Array {
  let result: Bytes = Uint8Array.from(bytes);
  for (let left = 1 + random.below(3); left > 0 && result.byteLength > 0; left--) {
    result = mutators[random.below(mutators.length)]?.(result, random) ?? result;
  }
  return result;
}
