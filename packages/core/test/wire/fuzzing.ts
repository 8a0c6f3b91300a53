/**
 * Fuzzing by seed: bytes that were good are damaged in the ways in which bytes are damaged or forged, and what
 * a decoder makes of them is looked at.
 *
 * A run of the tests does some thousands; `QUORATE_FUZZ_MUTATIONS=1000000` does a million of each, and
 * `QUORATE_FUZZ_SEED=7` others than always:
 *
 *     QUORATE_FUZZ_MUTATIONS=1000000 npx vitest run --project unit fuzz
 */
import { hasCode, type Random, seededRandom } from '../../src/index.ts';
import { countCost, watchGrowth } from './decode-cost.ts';

/** Of each decoder. */
export const mutations = Number(process.env['QUORATE_FUZZ_MUTATIONS'] ?? 5_000);
const seed = Number(process.env['QUORATE_FUZZ_SEED'] ?? 1);
/** A test that is asked for a million may take as long as they take. */
export const fuzzTimeoutMs = 60_000 + mutations;

/** Heads of MessagePack that claim much, or that nobody may send. */
const hostileBytes = [
  0x00, 0x7f, 0x80, 0x8f, 0x9f, 0xa9, 0xbf, 0xc0, 0xc1, 0xc4, 0xc6, 0xc7, 0xc9, 0xcb, 0xcf,
];
const hostileHeads = [
  ...hostileBytes,
  0xd3,
  0xd4,
  0xd6,
  0xd8,
  0xd9,
  0xdb,
  0xdc,
  0xdd,
  0xde,
  0xdf,
  0xe0,
  0xff,
];

/** One to four damages, drawn. `others`: what a piece may be taken from. */
export function mutated(original: Uint8Array, others: readonly Uint8Array[], random: Random): Uint8Array {
  let bytes = new Uint8Array(original);
  for (let damage = random.below(4); damage >= 0; damage--) bytes = damaged(bytes, others, random);
  return bytes;
}

function damaged(
  bytes: Uint8Array<ArrayBuffer>,
  others: readonly Uint8Array[],
  random: Random,
): Uint8Array<ArrayBuffer> {
  const at = random.below(bytes.length + 1);
  const length = 1 + random.below(16);
  switch (random.below(9)) {
    case 0:
      return changed(bytes, at, (byte) => byte ^ (1 << random.below(8)));
    case 1:
      return changed(bytes, at, () => random.below(256));
    case 2:
      return changed(bytes, at, () => hostileHeads[random.below(hostileHeads.length)] as number);
    case 3:
      return changed(bytes, at, (byte) => byte + (random.chance(0.5) ? 1 : 255));
    case 4:
      return bytes.slice(0, at);
    case 5:
      return spliced(bytes, at, length, new Uint8Array());
    case 6:
      return spliced(bytes, at, 0, bytes.slice(at, at + length));
    case 7:
      return spliced(
        bytes,
        at,
        0,
        Uint8Array.from({ length }, () => random.below(256)),
      );
    default: {
      const donor = others[random.below(others.length)] as Uint8Array;
      const from = random.below(donor.length + 1);
      return spliced(bytes, at, random.below(16), donor.slice(from, from + length));
    }
  }
}

function changed(
  bytes: Uint8Array<ArrayBuffer>,
  at: number,
  change: (byte: number) => number,
): Uint8Array<ArrayBuffer> {
  if (at < bytes.length) bytes[at] = change(bytes[at] as number);
  return bytes;
}

function spliced(
  bytes: Uint8Array,
  at: number,
  removed: number,
  inserted: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const tail = bytes.subarray(Math.min(at + removed, bytes.length));
  const result = new Uint8Array(at + inserted.length + tail.length);
  result.set(bytes.subarray(0, at));
  result.set(inserted, at);
  result.set(tail, at + inserted.length);
  return result;
}

export interface FuzzOutcome {
  /** How many were decoded, to something that was right. */
  readonly accepted: number;
  /** How many were refused with `ERR_FRAME_INVALID`. */
  readonly refused: number;
}

/**
 * Decodes so many mutations. @param decode throws `ERR_FRAME_INVALID` to refuse, anything else at a wrong value
 * @throws Error that shows the bytes: an error of another kind, one that took too long, or too much memory
 */
export function fuzz(
  corpus: readonly Uint8Array[],
  decode: (bytes: Uint8Array, original: Uint8Array) => void,
  label: string,
): FuzzOutcome {
  const random = seededRandom(seed).fork(label);
  const growth = watchGrowth();
  let accepted = 0;
  let refused = 0;
  for (let mutation = 0; mutation < mutations; mutation++) {
    const original = corpus[mutation % corpus.length] as Uint8Array;
    const bytes = mutated(original, corpus, random);
    const cost = countCost();
    try {
      decode(bytes, original);
      accepted += 1;
    } catch (error) {
      if (!hasCode(error, 'ERR_FRAME_INVALID')) throw found(label, mutation, bytes, error);
      refused += 1;
    }
    const exceeded = cost();
    if (exceeded !== undefined) throw found(label, mutation, bytes, exceeded);
  }
  const grown = growth();
  if (grown !== undefined) throw new Error(`${label}: ${grown}`);
  return { accepted, refused };
}

function found(label: string, mutation: number, bytes: Uint8Array, cause: unknown): Error {
  const hex = Buffer.from(bytes).toString('hex');
  return new Error(`${label}, seed ${seed}, mutation ${mutation}: ${hex}: ${String(cause)}`, { cause });
}
