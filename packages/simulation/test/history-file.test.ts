import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasCode } from '@quorate/core';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  HistoryBuilder,
  HistoryRecorder,
  historyText,
  InternedKeys,
  InternedValues,
  NULL_VALUE,
  operationAt,
  parseHistory,
  readHistoryFile,
  writeHistoryFile,
} from '../src/index.ts';
import { arbitraryHistory } from './history-twin.ts';

const invokeRead = '{"process":0,"type":"invoke","f":"read"}';
const invokeWrite = '{"process":0,"type":"invoke","f":"write","key":"k","value":3}';

function error(run: () => unknown): unknown {
  try {
    run();
  } catch (thrown) {
    return thrown;
  }
  return undefined;
}

describe('a malformed line is named with what is wrong', () => {
  test.each([
    ['{', 'line 2: not JSON'],
    ['', 'line 2: the line is empty'],
    ['  ', 'line 2: the line is empty'],
    ['[]', 'line 2: not a JSON object'],
    ['null', 'line 2: not a JSON object'],
    ['{}', 'line 2: "process" must be a whole number from 0 to 2147483647, is missing'],
    ['{"process":-1}', 'line 2: "process" must be a whole number from 0 to 2147483647, is -1'],
    ['{"process":1.5}', 'line 2: "process" must be'],
    ['{"process":4294967296}', 'line 2: "process" must be'],
    ['{"process":"nemesis"}', 'line 2: "process" must be'],
    ['{"process":1}', 'line 2: "type" must be one of invoke, ok, fail, info, is missing'],
    ['{"process":1,"type":"done"}', 'line 2: "type" must be one of invoke, ok, fail, info, is "done"'],
    ['{"process":1,"type":"invoke","f":"delete"}', 'line 2: "f" must be one of read, write, cas, append'],
    ['{"process":1,"type":"invoke","f":"read","key":3}', 'line 2: "key" must be text, is 3'],
    ['{"process":1,"type":"invoke","f":"read","value":3}', 'line 2: a read takes no "value"'],
    ['{"process":1,"type":"invoke","f":"write"}', 'line 2: the "value" of write must be null, a boolean'],
    ['{"process":1,"type":"invoke","f":"write","value":{}}', 'line 2: the "value" of write must be'],
    ['{"process":1,"type":"invoke","f":"append","value":[1]}', 'line 2: the "value" of append must be'],
    ['{"process":1,"type":"invoke","f":"cas","value":3}', 'line 2: the "value" of a cas must be [from, to]'],
    [
      '{"process":1,"type":"invoke","f":"cas","value":[3]}',
      'line 2: the "value" of a cas must be [from, to]',
    ],
    ['{"process":1,"type":"invoke","f":"cas","value":[3,[]]}', 'line 2: the "value" of a cas must be'],
    ['{"process":0,"type":"ok","f":"read"}', 'line 2: the "result" of an ok read must be'],
    ['{"process":0,"type":"ok","f":"read","result":[]}', 'line 2: the "result" of an ok read must be'],
    [
      '{"process":0,"type":"ok","f":"cas","result":1}',
      'line 2: the "result" of an ok cas must be true or false',
    ],
    [
      '{"process":0,"type":"ok","f":"write"}',
      'line 2: process 0 completes a write, but its open operation is a read',
    ],
    ['{"process":0,"type":"fail","f":"read","key":"k"}', 'line 2: process 0 completes on key "k" what it'],
    [invokeRead, 'line 2: process 0 invokes while its last operation is open'],
    [
      '{"process":1,"type":"info","f":"read"}',
      'line 2: process 1 completes an operation that it has not invoked',
    ],
  ])('%s', (line, message) => {
    const thrown = error(() => parseHistory(`${invokeRead}\n${line}\n${invokeRead}`));
    expect(hasCode(thrown, 'ERR_HISTORY_INVALID')).toBe(true);
    expect((thrown as Error).message).toContain(message);
    expect(thrown).toMatchObject({ details: { line: 2 } });
  });

  test('a completion repeats another input than the invocation had', () => {
    const completion = '{"process":0,"type":"ok","f":"write","key":"k","value":4}';
    expect(() => parseHistory(`${invokeWrite}\n${completion}`)).toThrow(
      'line 2: process 0 completes with "value" 4 what it invoked with 3',
    );
  });

  test('a value too long to show is cut', () => {
    const line = `{"process":0,"type":"invoke","f":"read","value":"${'x'.repeat(100)}","key":7}`;
    expect(() => parseHistory(line.replace('"key":7', `"key":["${'y'.repeat(100)}"]`))).toThrow(/y\.\.\.$/);
  });
});

describe('a history', () => {
  test('may end without a line break, use Windows ones, and hold fields that are not of the format', () => {
    const text = `${invokeWrite}\r\n{"process":0,"type":"ok","f":"write","time":17}`;
    expect(operationAt(parseHistory(text), 0)).toEqual({
      process: 0,
      f: 'write',
      key: 'k',
      value: 3,
      result: undefined,
      outcome: 'ok',
      invokedAtLine: 1,
      completedAtLine: 2,
    });
  });

  test('may be empty', () => {
    expect(parseHistory('').kinds).toHaveLength(0);
  });

  test('lets a process go on after an info: that operation is closed, its outcome unknown', () => {
    const history = parseHistory(
      [invokeWrite, '{"process":0,"type":"info","f":"write"}', invokeRead, ''].join('\n'),
    );
    expect(operationAt(history, 0)).toMatchObject({ outcome: 'info', completedAtLine: 2 });
    expect(operationAt(history, 1)).toMatchObject({ f: 'read', outcome: 'open', completedAtLine: undefined });
  });

  test('keeps values of different types apart, and a missing key from one that is named', () => {
    const lines = [1, '1', true, null].map((value, process) =>
      JSON.stringify({ process, type: 'invoke', f: 'write', value, ...(process === 0 ? {} : { key: '' }) }),
    );
    const history = parseHistory(lines.join('\n'));
    expect(new Set(history.inputs).size).toBe(4);
    expect([...history.inputs.keys()].map((at) => operationAt(history, at).value)).toEqual([
      1,
      '1',
      true,
      null,
    ]);
    expect([...history.keyIds]).toEqual([0, 1, 1, 1]);
    expect(operationAt(history, 0).key).toBeUndefined();
  });

  test('is the same after it was written and read', () => {
    for (const model of ['cas-register', 'kv-append'] as const) {
      fc.assert(
        fc.property(
          arbitraryHistory({ model, uniqueWrites: false, stepsMax: 60, clientCount: 4 }),
          ({ events }) => {
            const builder = new HistoryBuilder();
            for (const event of events) builder.add(event);
            const text = [...historyText(builder.history())].join('');
            const written = text.split('\n').filter((line) => line !== '');
            expect(written.map((line) => JSON.parse(line))).toEqual(events);
            expect([...historyText(parseHistory(text))].join('')).toBe(text);
          },
        ),
        { numRuns: 200 },
      );
    }
  });
});

describe('the recorder', () => {
  test('takes integers, grows past its capacity, and says what it was told', () => {
    const recorder = new HistoryRecorder({ capacity: 1 });
    const write = recorder.invokeWrite(3, 7, 40);
    const read = recorder.invokeRead(4, 7);
    recorder.ok(read, NULL_VALUE);
    const cas = recorder.invokeCas(4, 8, 40, 41);
    recorder.ok(cas, 1);
    recorder.info(write);
    const failed = recorder.invokeCas(4, 8, 40, 41);
    recorder.fail(failed);
    recorder.invokeRead(3, 8);
    expect([...historyText(recorder.history())].join('').trim().split('\n')).toEqual([
      '{"process":3,"type":"invoke","f":"write","key":"k7","value":40}',
      '{"process":4,"type":"invoke","f":"read","key":"k7"}',
      '{"process":4,"type":"ok","f":"read","key":"k7","result":null}',
      '{"process":4,"type":"invoke","f":"cas","key":"k8","value":[40,41]}',
      '{"process":4,"type":"ok","f":"cas","key":"k8","result":true}',
      '{"process":3,"type":"info","f":"write","key":"k7"}',
      '{"process":4,"type":"invoke","f":"cas","key":"k8","value":[40,41]}',
      '{"process":4,"type":"fail","f":"cas","key":"k8"}',
      '{"process":3,"type":"invoke","f":"read","key":"k8"}',
    ]);
  });

  test('takes any values through a table', () => {
    const values = new InternedValues();
    const keys = new InternedKeys();
    const recorder = new HistoryRecorder({ values, keys });
    recorder.invokeAppend(0, keys.idOf(undefined), values.idOf('x'));
    expect(operationAt(recorder.history(), 0)).toMatchObject({ f: 'append', key: undefined, value: 'x' });
  });

  test('lets an operation complete once', () => {
    const recorder = new HistoryRecorder();
    const read = recorder.invokeRead(0, 0);
    recorder.ok(read, 1);
    expect(() => recorder.info(read)).toThrow('an operation completes once');
    expect(() => recorder.fail(read + 1)).toThrow('only what was invoked completes');
  });
});

describe('a history file', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'quorate-history-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  test('is read in chunks that end anywhere', async () => {
    const values = new InternedValues();
    const long = new HistoryRecorder({ values });
    for (let at = 0; at < 300; at++)
      long.ok(long.invokeWrite(0, 0, values.idOf(`é${'ü'.repeat(9_000)}${at}`)));
    const path = join(directory, 'long.jsonl');
    await writeHistoryFile(path, long.history());
    const read = await readHistoryFile(path);
    expect([...historyText(read)].join('')).toBe([...historyText(long.history())].join(''));
  });

  test('names the line that is malformed', async () => {
    const path = join(directory, 'malformed.jsonl');
    writeFileSync(path, `${invokeRead}\nnonsense\n`);
    await expect(readHistoryFile(path)).rejects.toMatchObject({
      code: 'ERR_HISTORY_INVALID',
      details: { line: 2, reason: 'not JSON' },
    });
  });

  test('that is not there stays the error of the file system', async () => {
    await expect(readHistoryFile(join(directory, 'absent'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
