/** A number drawn evenly from a range. */
import type { Random } from '@quorate/core';

export function drawBetween(random: Random, [min, max]: readonly [min: number, max: number]): number {
  return min + random.next() * (max - min);
}
