/** The tally of what was carried out, held against what clients were told. */
import { HistoryRecorder, numberedKeys } from '@quorate/simulation';
import { expect, test } from 'vitest';
import { addAudits, auditWrites, writesAtFault } from '../../src/outage/write-audit.ts';
import { paddedValues } from '../../src/workload/register-operations.ts';
import { createTalliedRegisters } from '../../src/workload/tallied-registers.ts';

const values = paddedValues(16);
const context = { position: 1, timeMs: 0, random: () => 0 };
const pad = (id: number): string => values.textOf(id);

/** Writes number 0, 1, ..., with these outcomes; `seen` a read beside them. */
function historyOf(...outcomes: readonly ('ok' | 'fail' | 'info' | 'open')[]) {
  const recorder = new HistoryRecorder({ values, keys: numberedKeys });
  for (const [id, outcome] of outcomes.entries()) {
    const entry = id % 2 === 0 ? recorder.invokeWrite(id, 0, id) : recorder.invokeCas(id, 0, 0, id);
    if (outcome === 'ok') recorder.ok(entry, id % 2);
    else if (outcome !== 'open') recorder[outcome](entry);
  }
  recorder.ok(recorder.invokeRead(99, 0), 0);
  return recorder.history();
}

/** The tally of a machine that carries out these writes. */
function tallyOf(...ids: readonly number[]): Uint8Array {
  const machine = createTalliedRegisters();
  for (const id of ids) machine.apply(id % 2 === 0 ? ['k', pad(id)] : ['k', pad(id), pad(0)], context);
  return machine.query([0, 10]) as Uint8Array;
}

test.each([
  ['each acknowledged one took effect once', historyOf('ok', 'ok'), tallyOf(0, 1), [2, 0, 0, 0]],
  ['an acknowledged write is lost', historyOf('ok', 'ok'), tallyOf(0), [2, 1, 0, 0]],
  ['an acknowledged write is doubled', historyOf('ok', 'ok'), tallyOf(0, 1, 1), [2, 0, 1, 0]],
  ['an unknown one may have happened', historyOf('ok', 'info', 'open'), tallyOf(0, 1, 2), [1, 0, 0, 0]],
  ['an unknown one may not have happened', historyOf('ok', 'info', 'open'), tallyOf(0), [1, 0, 0, 0]],
  ['an unknown one may not happen twice', historyOf('ok', 'info'), tallyOf(0, 1, 1), [1, 0, 1, 0]],
  ['a failed one may not happen', historyOf('ok', 'fail'), tallyOf(0, 1), [1, 0, 0, 1]],
])('%s', (_, history, tally, [acknowledged, lost, doubled, contradicted]) => {
  const audit = auditWrites(history, tally);
  expect(audit).toEqual({ acknowledged, lost, doubled, contradicted });
  const isGood = lost === 0 && doubled === 0 && contradicted === 0;
  expect(writesAtFault(audit) === undefined).toBe(isGood);
});

test('audits add up', () => {
  const one = { acknowledged: 5, lost: 1, doubled: 0, contradicted: 2 };
  const sum = addAudits(one, { acknowledged: 7, lost: 0, doubled: 3, contradicted: 0 });
  expect(sum).toEqual({ acknowledged: 12, lost: 1, doubled: 3, contradicted: 2 });
  expect(writesAtFault(sum)).toMatch(/1 acknowledged and LOST, 3 carried out TWICE, 2 carried out though/);
});

test('a machine that is restored from its snapshot goes on counting', () => {
  const machine = createTalliedRegisters();
  machine.apply(['k', pad(3_000)], context);
  const heir = createTalliedRegisters();
  const saved = machine.snapshot();
  machine.apply(['k', pad(2)], context);
  heir.restore(saved as never);
  heir.apply(['k', pad(3_000)], context);
  expect(heir.query('k')).toBe(pad(3_000));
  const tally = heir.query([0, 4_000]) as Uint8Array;
  expect([tally.length, tally[2], tally[3_000]]).toEqual([4_000, 0, 2]);
});
