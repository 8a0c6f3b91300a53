import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { keySemantics } from '../src/history-models.ts';
import {
  checkLinearizability,
  HistoryBuilder,
  type HistoryEvent,
  HistoryRecorder,
  type ModelName,
  parseHistory,
} from '../src/index.ts';
import { searchLinearization } from '../src/linearization-search.ts';
import { RegisterZones } from '../src/register-zones.ts';
import { constrains, observableOperations } from '../src/unknown-outcome.ts';
import { arbitraryHistory, firstUnplaceableLineByTrying, isLinearizableByTrying } from './history-twin.ts';

function build(events: readonly HistoryEvent[]) {
  const builder = new HistoryBuilder();
  for (const event of events) builder.add(event);
  return builder.history();
}

/** One event a row: `process type f value-or-result`. */
function history(...rows: readonly string[]) {
  const events = rows.map((row): HistoryEvent => {
    const [process, type, f, datum] = row.split(' ');
    const parsed = datum === undefined ? undefined : JSON.parse(datum);
    const base = { process: Number(process), type, f } as Pick<HistoryEvent, 'process' | 'type' | 'f'>;
    return type === 'invoke' ? { ...base, value: parsed } : { ...base, result: parsed };
  });
  return build(events);
}

interface PublicVerdict {
  readonly file: string;
  readonly model: ModelName;
  readonly linearizable: boolean;
}

describe('the public histories', () => {
  const folder = new URL('./histories/', import.meta.url);
  const verdicts: PublicVerdict[] = JSON.parse(readFileSync(new URL('verdicts.json', folder), 'utf8'));

  test('are 115', () => {
    expect(verdicts).toHaveLength(115);
  });

  test.each(verdicts)('$file: $linearizable', ({ file, model, linearizable }) => {
    const parsed = parseHistory(readFileSync(new URL(file, folder), 'utf8'));
    expect(checkLinearizability(parsed, model).linearizable).toBe(linearizable);
  });
});

describe('a register', () => {
  test.each([
    ['is null at first', ['0 invoke read', '0 ok read null'], undefined],
    ['holds nothing unwritten', ['0 invoke read', '0 ok read 1'], 2],
    ['shows a write that is under way', ['0 invoke write 1', '1 invoke read', '1 ok read 1'], undefined],
    [
      'does not go back',
      ['0 invoke write 1', '1 invoke read', '1 ok read 1', '1 invoke read', '1 ok read null'],
      5,
    ],
    ['does not show a failed write', ['0 invoke write 1', '0 fail write', '1 invoke read', '1 ok read 1'], 4],
    [
      'may show a write of unknown outcome at any later time',
      ['0 invoke write 1', '0 info write', '1 invoke read', '1 ok read null', '1 invoke read', '1 ok read 1'],
      undefined,
    ],
    [
      'may take a write twice only if it was invoked twice',
      [
        '0 invoke write 1',
        '0 info write',
        '1 invoke write 2',
        '2 invoke read',
        '2 ok read 1',
        '1 ok write',
        '2 invoke read',
        '2 ok read 2',
        '2 invoke read',
        '2 ok read 1',
      ],
      10,
    ],
    [
      'takes a write of what it holds after it held something else',
      [
        '0 invoke write 0',
        '0 ok write',
        '1 invoke cas [0,2]',
        '0 invoke write 0',
        '2 invoke cas [0,4]',
        '1 ok cas true',
        '0 ok write',
        '2 ok cas true',
      ],
      undefined,
    ],
    ['lets a cas of something else report it', ['0 invoke cas [1,2]', '0 ok cas false'], undefined],
    [
      'needs a write of unknown outcome to explain a cas that did not match',
      ['3 invoke write 7', '0 invoke cas [null,2]', '0 ok cas false', '1 invoke read', '1 ok read 7'],
      undefined,
    ],
    [
      'may owe a mismatch to a write that nobody saw',
      ['3 invoke write 7', '0 invoke cas [null,2]', '0 ok cas false'],
      undefined,
    ],
    ['refuses a cas that took effect on something else', ['0 invoke cas [1,2]', '0 ok cas true'], 2],
  ] as const)('%s', (_, rows, firstUnplaceableLine) => {
    const verdict = checkLinearizability(history(...rows), 'cas-register');
    const line = verdict.linearizable === false ? verdict.firstUnplaceable.completedAtLine : undefined;
    expect(verdict.linearizable).toBe(firstUnplaceableLine === undefined);
    expect(line).toBe(firstUnplaceableLine);
  });
});

describe('against trying every order', () => {
  test.each([
    ['cas-register', false, null],
    ['cas-register', true, null],
    ['kv-append', false, ''],
    ['kv-append', true, ''],
  ] as const)('%s, unique values %s: same verdict, same first operation', (model, uniqueWrites, initial) => {
    const seen = { good: 0, bad: 0 };
    fc.assert(
      fc.property(
        arbitraryHistory({ model, uniqueWrites, stepsMax: 24, clientCount: 4 }),
        ({ events, falsified }) => {
          const verdict = checkLinearizability(build(events), model);
          const line = firstUnplaceableLineByTrying(events, initial);
          expect(verdict.linearizable).toBe(line === undefined);
          if (!falsified) expect(line).toBeUndefined();
          if (verdict.linearizable === false) expect(verdict.firstUnplaceable.completedAtLine).toBe(line);
          seen[line === undefined ? 'good' : 'bad'] += 1;
        },
      ),
      { numRuns: 600 },
    );
    expect(seen.good).toBeGreaterThan(50);
    expect(seen.bad).toBeGreaterThan(50);
  });

  test('leaving out what nobody could see changes no verdict', () => {
    fc.assert(
      fc.property(
        arbitraryHistory({ model: 'cas-register', uniqueWrites: false, stepsMax: 24, clientCount: 4 }),
        ({ events }) => {
          const oneKey = events.map(({ key: _, ...event }) => event);
          const built = build(oneKey);
          const all = Int32Array.from(built.kinds.keys()).filter((at) => constrains(built, at));
          const search = (operations: Int32Array) =>
            searchLinearization({
              history: built,
              operations,
              semantics: keySemantics('cas-register', built),
              budget: { inspectionsLeft: 1e6, visitedBytesMax: 2 ** 24 },
            }).type;
          expect(search(all)).toBe(search(observableOperations('cas-register', built, all)));
        },
      ),
      { numRuns: 600 },
    );
  });
});

describe('zones', () => {
  test('agree with the search, verdict and operation, on histories too long to try', () => {
    const seen = { linearizable: 0, stuck: 0 };
    fc.assert(
      fc.property(
        arbitraryHistory({ model: 'cas-register', uniqueWrites: true, stepsMax: 150, clientCount: 8 }),
        ({ events }) => {
          const oneKey = events.map(({ key: _, ...event }) => event);
          const built = build(oneKey);
          const operations = Int32Array.from(built.kinds.keys()).filter((at) => constrains(built, at));
          const zones = RegisterZones.of(built, operations);
          const outcome = searchLinearization({
            history: built,
            operations,
            semantics: keySemantics('cas-register', built),
            budget: { inspectionsLeft: 1e7, visitedBytesMax: 2 ** 24 },
          });
          if (zones === undefined || outcome.type === 'gave-up') expect.fail('both must decide');
          seen[outcome.type] += 1;
          expect(zones.isLinearizable()).toBe(outcome.type === 'linearizable');
          if (outcome.type === 'stuck') expect(zones.firstUnplaceable()).toBe(outcome.operation);
        },
      ),
      { numRuns: 600 },
    );
    expect(seen.stuck).toBeGreaterThan(50);
  });

  test('do not apply where a value is written twice, or null is, or a cas is', () => {
    const twice = history('0 invoke write 1', '0 ok write', '0 invoke write 1', '0 ok write');
    const initial = history('0 invoke write null', '0 ok write');
    const cas = history('0 invoke cas [null,1]', '0 ok cas true');
    for (const built of [twice, initial, cas]) {
      expect(RegisterZones.of(built, Int32Array.from(built.kinds.keys()))).toBeUndefined();
    }
  });

  test.each([
    ['a value out of nowhere', ['0 invoke read', '0 ok read 9'], 'saw 9 in the register, which nobody wrote'],
    [
      'a value before its write',
      ['0 invoke read', '0 ok read 9', '0 invoke write 9', '0 ok write'],
      'saw 9 in the register, which was not written until later',
    ],
    [
      'a value after the next one',
      ['0 invoke write 8', '0 ok write', '0 invoke write 9', '0 ok write', '0 invoke read', '0 ok read 8'],
      'but it held 8 from line 2 to line 5 and 9 at some moment between lines 3 and 4, never written again',
    ],
    [
      'the initial value after a write',
      ['0 invoke write 8', '0 ok write', '0 invoke read', '0 ok read null'],
      'but it held null until line 3 and 8 at some moment between lines 1 and 2, never written again',
    ],
  ])('explain %s', (_, rows, explanation) => {
    const verdict = checkLinearizability(history(...rows), 'cas-register');
    expect(verdict).toMatchObject({ linearizable: false, explanation: expect.stringContaining(explanation) });
  });
});

describe('a verdict', () => {
  test('names the key whose operation completed first among several that fail', () => {
    const verdict = checkLinearizability(
      build([
        { process: 0, type: 'invoke', f: 'read', key: 'late' },
        { process: 1, type: 'invoke', f: 'read', key: 'early' },
        { process: 1, type: 'ok', f: 'read', key: 'early', result: 1 },
        { process: 0, type: 'ok', f: 'read', key: 'late', result: 1 },
      ]),
      'cas-register',
    );
    expect(verdict).toMatchObject({
      linearizable: false,
      key: 'early',
      operationCount: 2,
      keyCount: 2,
      firstUnplaceable: { process: 1, f: 'read', invokedAtLine: 2, completedAtLine: 3, result: 1 },
    });
  });

  test('says what a key could have held instead', () => {
    const verdict = checkLinearizability(
      history(
        '0 invoke write 1',
        '1 invoke write 2',
        '0 ok write',
        '1 ok write',
        '0 invoke cas [2,2]',
        '0 info cas',
        '2 invoke read',
        '2 ok read 3',
      ),
      'cas-register',
    );
    expect(verdict).toMatchObject({
      explanation: expect.stringMatching(
        /saw 3 in the register, but it could only have held (1 or 2|2 or 1) then/,
      ),
    });
  });

  test('is unknown, never false, when the search may not look any further', () => {
    const rows = ['0 invoke cas [null,1]', '1 invoke cas [1,2]', '1 ok cas true', '0 ok cas true'];
    const built = history(...rows);
    expect(checkLinearizability(built, 'cas-register').linearizable).toBe(true);
    for (const limit of [{ inspectionsMax: 0 }, { searchBytesMax: 0 }]) {
      expect(checkLinearizability(built, 'cas-register', limit)).toMatchObject({
        linearizable: 'unknown',
        explanation: 'the search for an order on the register gave up',
      });
    }
  });

  test.each([
    ['cas-register', '0 invoke append "x"', 'line 1: the model cas-register has no append'],
    ['kv-append', '0 invoke cas [1,2]', 'line 1: the model kv-append has no cas'],
    ['kv-append', '0 invoke append 3', 'line 1: the model kv-append holds text, not 3'],
  ] as const)('%s has no words for %s', (model, row, message) => {
    expect(() => checkLinearizability(history(row), model)).toThrow(message);
  });
});

test('two hundred thousand recorded operations of eight hundred clients are decided at once', () => {
  const recorder = new HistoryRecorder();
  const contents = new Map<number, number>();
  let value = 0;
  for (let round = 0; round < 250; round++) {
    const operations = Array.from({ length: 800 }, (_, client) => {
      const key = (client * 7 + round) % 100;
      if (client % 2 === 0) return { key, operation: recorder.invokeRead(client, key) };
      const written = value++;
      return { key, written, operation: recorder.invokeWrite(client, key, written) };
    });
    for (const { key, written, operation } of operations) {
      if (written === undefined) {
        recorder.ok(operation, contents.get(key) ?? -1);
      } else {
        contents.set(key, written);
        recorder.ok(operation);
      }
    }
  }
  const begin = performance.now();
  const verdict = checkLinearizability(recorder.history(), 'cas-register');
  expect(verdict).toEqual({ linearizable: true, operationCount: 200_000, keyCount: 100 });
  expect(performance.now() - begin).toBeLessThan(5_000);
});

test('the twin itself knows good from bad', () => {
  const good: HistoryEvent[] = [
    { process: 0, type: 'invoke', f: 'write', value: 1 },
    { process: 0, type: 'ok', f: 'write' },
    { process: 0, type: 'invoke', f: 'read' },
  ];
  expect(isLinearizableByTrying([...good, { process: 0, type: 'ok', f: 'read', result: 1 }], null)).toBe(
    true,
  );
  expect(isLinearizableByTrying([...good, { process: 0, type: 'ok', f: 'read', result: 2 }], null)).toBe(
    false,
  );
});
