/**
 * What a node's thread and its disk thread say to each other: positional arrays, which a port carries for
 * a third of what objects cost, once for every commit.
 */
import type { SystemCalls } from './system-calls.ts';

/** A call by its name, with its arguments as structured clone can carry them. */
export type DiskRequest = {
  [Name in keyof SystemCalls]: readonly [id: number, name: Name, ...values: DiskArguments<Name>];
}[keyof SystemCalls];

/** A read names how many bytes it wants: the bytes themselves come back with the reply. */
export type DiskArguments<Name extends keyof SystemCalls> = Name extends 'read'
  ? readonly [descriptor: number, bytes: number, position: number]
  : Readonly<Parameters<SystemCalls[Name]>>;

export type DiskReply =
  | readonly [id: number, result: unknown]
  | readonly [id: number, result: undefined, error: DiskCallError];

export interface DiskCallError {
  readonly code: string;
  readonly message: string;
}

/** What the disk thread is started with: it sleeps on this number, which every request raises. */
export interface DiskThreadData {
  readonly doorbell: Int32Array<SharedArrayBuffer>;
}
