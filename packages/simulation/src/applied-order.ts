/**
 * The order in which commands took effect: one for all replicas, told by themselves as they apply.
 *
 * Every replica must apply the same command at the same position with the same answer, each command once.
 * And with that order known, the promise of every read can be judged the moment it is answered: since each
 * value is written once, a value tells exactly from which stretch of the past it comes.
 */
import type { Consistency } from '@quorate/consensus';
import type { NodeId } from '@quorate/core';
import type { RegisterCommand } from './registers.ts';

/** What a command came to: what it returned, or that it threw. */
export type CommandAnswer = boolean | null | 'threw';

interface AppliedCommand {
  readonly id: number;
  readonly answer: CommandAnswer;
  /** The first to apply it. */
  readonly node: NodeId;
}

/** After the command at `from` and before the one at `until`, positions; `until` is Infinity as of now. */
interface Stretch {
  readonly from: number;
  until: number;
}

/** A read, with what was known when it was asked. */
export interface ReadAnswer {
  readonly level: Consistency;
  readonly key: number;
  readonly value: number | null;
  /** The last position that its session had seen or been told of. */
  readonly seenBefore: number;
  /** The last position that any session had been told of, or had seen by a read that must not be stale. */
  readonly toldBefore: number;
}

/** What a read saw that broke no promise. */
export interface SeenByRead {
  /** The first position at which the key held the value. */
  readonly from: number;
  /** The value was overwritten by something that somebody had been told of before the read was asked. */
  readonly isStale: boolean;
  /** The same, of something that the read's own session had seen or been told of. */
  readonly isBehindSession: boolean;
}

export class AppliedOrder {
  /** The first that contradicted, in one line. */
  violation: string | undefined;
  /** By position, from 1 on. */
  readonly #commands: (AppliedCommand | undefined)[] = [undefined];
  readonly #positions = new Map<number, number>();
  /** By key, and then by value. */
  readonly #stretches = new Map<number, Map<number | null, Stretch>>();
  readonly #current = new Map<number, Stretch>();

  /** `node` has applied `command` as the one at `position`. */
  note(node: NodeId, position: number, command: RegisterCommand, answer: CommandAnswer): void {
    const [, id] = command;
    const known = this.#commands[position];
    if (known !== undefined) {
      if (known.id === id && known.answer === answer) return;
      const own = `command ${id} (${answer})`;
      this.violation ??= `${node} applied ${own} at position ${position}, ${known.node} command ${known.id} (${known.answer})`;
      return;
    }
    const before = this.#positions.get(id);
    if (before !== undefined) this.violation ??= `command ${id} was applied at ${before} and at ${position}`;
    if (position !== this.#commands.length) {
      this.violation ??= `${node} applied position ${position}, and nobody has applied ${this.#commands.length}`;
    }
    this.#commands[position] = { id, answer, node };
    this.#positions.set(id, position);
    const tookEffect = answer === null || answer === true;
    if (tookEffect) this.#overwrite(command[2], command[0] === 'write' ? command[3] : command[4], position);
  }

  /** Where a command was applied and what it came to; undefined while nobody has applied it. */
  find(id: number): { readonly position: number; readonly answer: CommandAnswer } | undefined {
    const position = this.#positions.get(id);
    const answer = position === undefined ? undefined : this.#commands[position]?.answer;
    return position === undefined || answer === undefined ? undefined : { position, answer };
  }

  /** Ids of all commands that anyone has applied, in order. */
  ids(): readonly number[] {
    return this.#commands.flatMap((command) => (command === undefined ? [] : [command.id]));
  }

  /**
   * Holds a read to the promise of its level.
   * @returns what it breaks, or what it saw
   */
  judge(read: ReadAnswer): string | SeenByRead {
    const { level, key, value, seenBefore, toldBefore } = read;
    const stretch = this.#stretchesOf(key).get(value);
    if (stretch === undefined) return `a read of k${key} saw ${value}, which was never in effect there`;
    const { from, until } = stretch;
    const overwritten = `a ${level} read of k${key} saw ${value}, overwritten at ${until}`;
    const isStale = until <= toldBefore;
    if (isStale && (level === 'linearizable' || level === 'lease')) {
      return `${overwritten}, when ${toldBefore} was known to have taken effect`;
    }
    const isBehindSession = until <= seenBefore;
    if (isBehindSession && level === 'session') {
      return `${overwritten}, when its session had seen ${seenBefore}`;
    }
    return { from, isStale, isBehindSession };
  }

  #overwrite(key: number, value: number, position: number): void {
    const stretches = this.#stretchesOf(key);
    const current = this.#current.get(key);
    if (current !== undefined) current.until = position;
    const stretch = { from: position, until: Number.POSITIVE_INFINITY };
    stretches.set(value, stretch);
    this.#current.set(key, stretch);
  }

  #stretchesOf(key: number): Map<number | null, Stretch> {
    const known = this.#stretches.get(key);
    if (known !== undefined) return known;
    const atFirst = { from: 0, until: Number.POSITIVE_INFINITY };
    const stretches = new Map<number | null, Stretch>([[null, atFirst]]);
    this.#stretches.set(key, stretches);
    this.#current.set(key, atFirst);
    return stretches;
  }
}
