/**
 * Epoch floors: up to which epoch each group has forgotten everything. Epoch 0 is above every floor.
 */
import { invariant } from '@quorate/core';
import type { ForgetRecord } from './record.ts';

export class EpochFloors {
  readonly #highest = new Map<number, number>();

  /** Nothing is forgotten twice: a lower floor than the one that stands changes nothing. */
  raise({ group, epoch }: { readonly group: number; readonly epoch: number }): void {
    invariant(Number.isSafeInteger(epoch) && epoch >= 1, 'epoch 0 is never forgotten');
    this.#highest.set(group, Math.max(epoch, this.#highest.get(group) ?? 0));
  }

  isForgotten({ group, epoch }: { readonly group: number; readonly epoch: number }): boolean {
    return epoch > 0 && epoch <= (this.#highest.get(group) ?? 0);
  }

  /** The floors as records that raise them again, by group. */
  records(): readonly ForgetRecord[] {
    return [...this.#highest]
      .sort(([a], [b]) => a - b)
      .map(([group, epoch]) => ({ type: 'forget', group, epoch }));
  }
}
