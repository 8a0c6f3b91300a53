/**
 * Randomness is a port: a {@link Random} is seeded, so that whatever was drawn can be drawn again.
 */
import { invariant } from './invariant.ts';

/** A stream of pseudo-random numbers. The same seed gives the same stream, on every machine. */
export interface Random {
  /** A float in [0, 1). */
  next(): number;
  /** A whole number in [0, below); `below` is at least 1. */
  below(below: number): number;
  /** True with the given probability, 0 to 1. */
  chance(probability: number): boolean;
  /** A stream of its own, which depends on this one's seed and `label` only, not on what was drawn. */
  fork(label: string): Random;
}

/**
 * The generator sfc32 (Chris Doty-Humphrey, PractRand: 128 bits of state, public domain), its state
 * filled from `seed` by splitmix32.
 */
export function seededRandom(seed: number): Random {
  let mix = seed >>> 0;
  const split = (): number => {
    mix = (mix + 0x9e3779b9) | 0;
    let t = mix ^ (mix >>> 16);
    t = Math.imul(t, 0x21f0aaad);
    t ^= t >>> 15;
    t = Math.imul(t, 0x735a2d97);
    return (t ^ (t >>> 15)) | 0;
  };
  let a = split();
  let b = split();
  let c = split() ^ Math.trunc(seed / 2 ** 32);
  let counter = 1;
  const uint32 = (): number => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t;
    c |= 0;
    return t >>> 0;
  };
  for (let warmUp = 0; warmUp < 12; warmUp++) uint32();
  return {
    next: () => uint32() / 2 ** 32,
    below(below) {
      invariant(Number.isSafeInteger(below) && below >= 1, `below() takes a whole number >= 1, got ${below}`);
      return Math.floor((uint32() / 2 ** 32) * below);
    },
    chance: (probability) => uint32() / 2 ** 32 < probability,
    fork: (label) => seededRandom(hashLabel(label, seed)),
  };
}

/** FNV-1a over the label's UTF-16 units, started from the seed. */
function hashLabel(label: string, seed: number): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let at = 0; at < label.length; at++) {
    hash = Math.imul(hash ^ label.charCodeAt(at), 0x01000193) >>> 0;
  }
  return hash;
}
