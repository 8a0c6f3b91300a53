/**
 * How a guard is taken out, to see the scenario go red that it is there for.
 *
 * Most guards are one named function in a file of its own, and are replaced there; some are a method; the rest
 * stand at a border of a part, where a protocol or a disk is wrapped. Production code knows nothing of this.
 */
import type { Protocol, StateMachineDefinition } from '@quorate/consensus';
import { type PlantedBug, plantedBugs } from '../../src/planted-bugs.ts';

// biome-ignore lint/suspicious/noExplicitAny: guards of every shape are replaced here
export type AnyFunction = (...values: any[]) => any;

type AnyProtocol = Protocol<unknown, unknown>;

/** How a guard is taken out. `file` is relative to `packages`. */
export type Removal =
  | {
      readonly kind: 'machine';
      readonly spoil: (definition: StateMachineDefinition) => StateMachineDefinition;
    }
  | { readonly kind: 'border'; readonly spoil: (protocol: AnyProtocol) => AnyProtocol }
  | {
      readonly kind: 'function';
      readonly file: string;
      readonly name: string;
      readonly spoil: (original: AnyFunction) => AnyFunction;
    }
  | {
      readonly kind: 'method';
      readonly file: string;
      readonly type: string;
      readonly name: string;
      /** The result is called with the object as its first argument. */
      readonly spoil: (original: AnyFunction) => AnyFunction;
    };

export interface PlantedGuard {
  readonly scenario: string;
  /** Under which the scenario goes red. */
  readonly protocols: readonly string[];
  /** What the guard says, and what is done instead. */
  readonly guard: string;
  /** All of these are out together. */
  readonly removals: readonly Removal[];
  /** The removals are of guards that stand behind each other: with any one of them out, all goes as it should. */
  readonly standsBehindOthers?: true;
  /** What is then seen. */
  readonly red: RegExp;
}

export const raft = ['raft'];
export const paxos = ['multi-paxos'];
export const both = ['raft', 'multi-paxos'];

export const border = (bug: PlantedBug): Removal => ({ kind: 'border', spoil: plantedBugs[bug] });

export const rule = (path: string, spoil: (original: AnyFunction) => AnyFunction): Removal => {
  const [file = '', name = ''] = path.split('#');
  return { kind: 'function', file, name, spoil };
};

export const method = (path: string, spoil: (original: AnyFunction) => AnyFunction): Removal => {
  const [file = '', type = '', name = ''] = path.split('#');
  return { kind: 'method', file, type, name, spoil };
};

/** The simulated disk as every node sees it, with one operation of its files done otherwise. */
export const disk = (
  change: (file: Record<string, AnyFunction>, system: Record<string, AnyFunction>) => void,
): Removal =>
  rule('storage/src/faulty-file-system.ts#faultyFileSystem', (original) => (inner, options) => {
    const system = original(inner, options);
    const { open } = system;
    system.open = async (...where: unknown[]) => {
      const file = await open(...where);
      change(file, system);
      return file;
    };
    change({}, system);
    return system;
  });
