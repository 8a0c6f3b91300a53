import { CodedError, type ErrorCode, errorCodes } from '@quorate/core';
import { HistoryRecorder, historyText, numberedKeys } from '@quorate/simulation';
import { describe, expect, test } from 'vitest';
import { type ExecuteOptions, executeOperations } from '../../src/workload/execute-operations.ts';
import { outcomeOfError } from '../../src/workload/outcome.ts';
import { paddedValues, type RegisterOperation } from '../../src/workload/register-operations.ts';

const values = paddedValues(8);

/** Executes `operation` on a cluster that answers, or rejects, as `answer` says. */
async function executeOne(operation: RegisterOperation, answer: () => Promise<unknown>) {
  const recorder = new HistoryRecorder({ values, keys: numberedKeys });
  const asked: unknown[] = [];
  const observed: unknown[] = [];
  const errors: string[] = [];
  const reply = (...call: unknown[]) => {
    asked.push(call);
    return answer();
  };
  const execute = executeOperations({
    cluster: { propose: reply, query: reply } as ExecuteOptions['cluster'],
    operations: { next: () => operation, observe: (...seen) => observed.push(seen) },
    values,
    keys: ['k0', 'k1'],
    consistency: 'lease',
    timeoutMs: 70,
    recorder,
    onError: (code) => errors.push(code),
  });
  const outcome = await execute(5);
  const history = [...historyText(recorder.history())].join('').trim().split('\n');
  return { outcome, asked, observed, errors, events: history.map((line) => JSON.parse(line)) };
}

const read: RegisterOperation = { f: 'read', key: 1 };
const write: RegisterOperation = { f: 'write', key: 1, value: 36 };
const cas: RegisterOperation = { f: 'cas', key: 0, from: 1, to: 2 };

describe('what is asked and recorded of an operation that ends well', () => {
  test('a write', async () => {
    const { outcome, asked, events, errors } = await executeOne(write, async () => true);
    expect(outcome).toBe('ok');
    expect(asked).toEqual([[['k1', '00000010'], { timeoutMs: 70 }]]);
    expect(events).toEqual([
      { process: 5, type: 'invoke', f: 'write', key: 'k1', value: '00000010' },
      { process: 5, type: 'ok', f: 'write', key: 'k1' },
    ]);
    expect(errors).toEqual([]);
  });

  test('a read, which tells what it saw to those that compare', async () => {
    const { asked, observed, events } = await executeOne(read, async () => '00000011');
    expect(asked).toEqual([['k1', { consistency: 'lease', timeoutMs: 70 }]]);
    expect(events[1]).toEqual({ process: 5, type: 'ok', f: 'read', key: 'k1', result: '00000011' });
    expect(observed).toEqual([[1, 37]]);
  });

  test('a read of nothing', async () => {
    const { events } = await executeOne(read, async () => null);
    expect(events[1]).toMatchObject({ type: 'ok', result: null });
  });

  test.each([true, false])('a compare-and-set that returns %s', async (hasTakenEffect) => {
    const { asked, events } = await executeOne(cas, async () => hasTakenEffect);
    expect(asked).toEqual([[['k0', '00000002', '00000001'], { timeoutMs: 70 }]]);
    expect(events).toEqual([
      { process: 5, type: 'invoke', f: 'cas', key: 'k0', value: ['00000001', '00000002'] },
      { process: 5, type: 'ok', f: 'cas', key: 'k0', result: hasTakenEffect },
    ]);
  });
});

describe('what an error means', () => {
  const others = (Object.keys(errorCodes) as ErrorCode[]).filter((code) => code !== 'ERR_OUTCOME_UNKNOWN');

  test('an unknown outcome of a write stays unknown, in the figures and in the history', async () => {
    const error = new CodedError('ERR_OUTCOME_UNKNOWN', 'no answer in time');
    const { outcome, events, errors } = await executeOne(write, () => Promise.reject(error));
    expect(outcome).toBe('unknown');
    expect(events[1]).toMatchObject({ type: 'info', f: 'write' });
    expect(errors).toEqual(['ERR_OUTCOME_UNKNOWN']);
  });

  test.each(['write', 'cas'] as const)('every other code promises that a %s did not happen', async (f) => {
    for (const code of others) expect(outcomeOfError(new CodedError(code, ''), f)).toBe('failed');
    const { events } = await executeOne(f === 'cas' ? cas : write, () =>
      Promise.reject(new CodedError('ERR_NO_QUORUM', '')),
    );
    expect(events[1]).toMatchObject({ type: 'fail', f });
  });

  test('a read that was not answered has failed, whatever became of it', async () => {
    for (const code of [...others, 'ERR_OUTCOME_UNKNOWN'] as const) {
      expect(outcomeOfError(new CodedError(code, ''), 'read')).toBe('failed');
    }
    const { events } = await executeOne(read, () =>
      Promise.reject(new CodedError('ERR_OUTCOME_UNKNOWN', '')),
    );
    expect(events[1]).toMatchObject({ type: 'fail', f: 'read' });
  });

  test('an error without a code promises nothing', async () => {
    const { outcome, errors } = await executeOne(write, () => Promise.reject(new TypeError('a bug')));
    expect(outcome).toBe('unknown');
    expect(errors).toEqual(['TypeError: a bug']);
  });
});
