/**
 * The control plane: what the app's thread asks of a node's worker, and what the worker reports back.
 *
 * It goes through comlink, over the worker's own port and one more for reports. No message between
 * actors ever takes this way. Errors cross as data, because a port takes their class and code away.
 */
import type { MessagePort } from 'node:worker_threads';
import type { SpawnOptions } from '../behavior.ts';
import type { NodeId } from '../brand.ts';
import { type ErrorData, errorFromData, errorToData } from '../coded-error.ts';
import type { LinkConditions } from '../link/conditions.ts';
import type { LogFields, LogLevel } from '../log.ts';
import type { ActorFailure, DeadLetter, NodeInspection, NodeLimits } from '../node-runtime.ts';

/** A result, or an error as data. */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: ErrorData };

/** What a worker does when asked. */
export interface NodeControl {
  /** Answers when the worker has come up. */
  ready(): Outcome<void>;
  attach(peer: NodeId, port: MessagePort, incarnation: number): Outcome<void>;
  /** The thread of `peer` has ended. */
  peerEnded(peer: NodeId, reason: string): Outcome<void>;
  setConditions(peer: NodeId, conditions: Partial<LinkConditions>): Outcome<void>;
  /** Loads the module and starts the actor; answers when its factory has succeeded. */
  spawn(name: string, moduleUrl: string, options: SpawnOptions): Promise<Outcome<void>>;
  inspect(): Outcome<NodeInspection>;
  /** Blocks the thread until the flag in `NodeSettings.pauseFlags` is taken down. */
  pause(): Outcome<void>;
  stop(): Promise<Outcome<void>>;
}

/** A dead letter as it is reported: the message itself stays where it is, shown in at most 200 characters. */
export interface DeadLetterReport extends Omit<DeadLetter, 'message'> {
  readonly message: string;
}

export type NodeReport =
  | { readonly type: 'dead-letter'; readonly letter: DeadLetterReport }
  | { readonly type: 'actor-failed'; readonly failure: ActorFailure }
  | { readonly type: 'frame-invalid'; readonly peer: NodeId; readonly error: ErrorData }
  | { readonly type: 'log'; readonly level: LogLevel; readonly line: string; readonly fields: LogFields }
  /** So many reports were dropped, because more came than are worth sending. */
  | { readonly type: 'suppressed'; readonly count: number };

/** What takes the reports, in the app's thread. */
export interface ReportSink {
  take(reports: readonly NodeReport[]): void;
}

/** What a worker is born with. */
export interface NodeSettings {
  readonly node: NodeId;
  readonly incarnation: number;
  readonly seed: number;
  readonly limits: NodeLimits;
  /** Whether log lines are wanted at all. */
  readonly isLogging: boolean;
  readonly pauseFlags: Int32Array;
  readonly reports: MessagePort;
}

/** Places in `pauseFlags`: 1 while the node shall be paused; 1 while its thread is blocked. */
export const pauseWanted = 0;
export const pauseBlocked = 1;

/** Runs `act` and catches what it throws as data. */
export function outcomeOf<T>(act: () => T): Outcome<T> {
  try {
    return { ok: true, value: act() };
  } catch (error) {
    return { ok: false, error: errorToData(error) };
  }
}

export async function outcomeOfAsync<T>(act: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { ok: true, value: await act() };
  } catch (error) {
    return { ok: false, error: errorToData(error) };
  }
}

/** @throws CodedError the error, if it is one */
export function unwrap<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw errorFromData(outcome.error);
}
