/** The public table of scenarios is what the scenarios say; `REWRITE=1` in the environment writes it anew. */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { scenarioNames } from '../src/scenario/catalogue.ts';
import { plantedGuards } from './guards/planted-guards.ts';
import { scenarioTable, tableMarks } from './scenario-table.ts';

const path = resolve(import.meta.dirname, '../../../docs/TRACK-RECORD.md');

test('the track record has the table of scenarios', () => {
  const text = readFileSync(path, 'utf8');
  const [begin, end] = tableMarks;
  const before = text.slice(0, text.indexOf(begin) + begin.length);
  const after = text.slice(text.indexOf(end));
  const wanted = `${before}\n${scenarioTable()}\n${after}`;
  if (process.env['REWRITE'] === '1') writeFileSync(path, wanted);
  expect(wanted.split('\n')).toEqual(readFileSync(path, 'utf8').split('\n'));
});

test('every guard is one of a scenario that there is', () => {
  const names = scenarioNames();
  expect(plantedGuards.filter(({ scenario }) => !names.includes(scenario))).toEqual([]);
});

test('every scenario has a guard', () => {
  const guarded = plantedGuards.map(({ scenario }) => scenario);
  expect(scenarioNames().filter((name) => !guarded.includes(name))).toEqual([]);
});
