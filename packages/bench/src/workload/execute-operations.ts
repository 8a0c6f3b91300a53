/**
 * Carries out the operations of a run on a cluster, and records the history of what was asked and answered.
 */
import type { Cluster, Consistency } from '@quorate/consensus';
import type { HistoryRecorder } from '@quorate/simulation';
import type { Execute } from './closed-loop.ts';
import type { Outcome } from './load-meter.ts';
import { codeOf, outcomeOfError } from './outcome.ts';
import type registerMachine from './register-machine.ts';
import type { RegisterCommand } from './register-machine.ts';
import type { PaddedValues, RegisterOperation, RegisterOperations } from './register-operations.ts';

export type RegisterCluster = Cluster<typeof registerMachine>;

export interface ExecuteOptions {
  readonly cluster: Pick<RegisterCluster, 'propose' | 'query'>;
  readonly operations: RegisterOperations;
  readonly values: PaddedValues;
  /** The names of the registers, by their number. */
  readonly keys: readonly string[];
  readonly consistency: Consistency;
  /** Each operation's own deadline. */
  readonly timeoutMs: number;
  /** Undefined: no history is kept. */
  readonly recorder: HistoryRecorder | undefined;
  /** Called with the code of every operation that did not end well. */
  readonly onError: (code: string) => void;
}

export function executeOperations(options: ExecuteOptions): Execute {
  const { cluster, operations, values, keys, recorder, onError } = options;
  const queryOptions = { consistency: options.consistency, timeoutMs: options.timeoutMs };
  const proposeOptions = { timeoutMs: options.timeoutMs };
  const nameOf = (key: number): string => keys[key] as string;

  const ask = (operation: RegisterOperation): Promise<string | null | boolean> => {
    if (operation.f === 'read') return cluster.query(nameOf(operation.key), queryOptions);
    return cluster.propose(commandOf(operation, nameOf(operation.key), values), proposeOptions);
  };
  /** What is recorded of an answer: the value that a read saw, whether a compare-and-set took effect. */
  const resultOf = (operation: RegisterOperation, answer: string | null | boolean): number | undefined => {
    const { f, key } = operation;
    if (f === 'write') return undefined;
    if (f === 'cas') return answer === true ? 1 : 0;
    const value = values.idOf(answer);
    operations.observe(key, value);
    return value;
  };
  const failed = (operation: RegisterOperation, entry: number | undefined, error: unknown): Outcome => {
    const outcome = outcomeOfError(error, operation.f);
    onError(codeOf(error) ?? String(error));
    if (recorder !== undefined && entry !== undefined) {
      if (outcome === 'failed') recorder.fail(entry);
      else recorder.info(entry);
    }
    return outcome;
  };

  return (process) => {
    const operation = operations.next();
    const entry = recorder === undefined ? undefined : invoke(recorder, process, operation);
    return ask(operation).then(
      (answer) => {
        if (recorder !== undefined && entry !== undefined) recorder.ok(entry, resultOf(operation, answer));
        return 'ok';
      },
      (error: unknown) => failed(operation, entry, error),
    );
  };
}

function invoke(recorder: HistoryRecorder, process: number, operation: RegisterOperation): number {
  const { f, key } = operation;
  if (f === 'read') return recorder.invokeRead(process, key);
  if (f === 'write') return recorder.invokeWrite(process, key, operation.value);
  return recorder.invokeCas(process, key, operation.from, operation.to);
}

function commandOf(
  operation: Exclude<RegisterOperation, { readonly f: 'read' }>,
  key: string,
  values: PaddedValues,
): RegisterCommand {
  if (operation.f === 'write') return [key, values.textOf(operation.value)];
  return [key, values.textOf(operation.to), values.valueOf(operation.from)];
}
