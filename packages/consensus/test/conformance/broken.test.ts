/** A check that cannot fail is worthless: for each case a protocol that fails it. */
import { expect, test } from 'vitest';
import { ConformanceFailure, conformanceCases, conformanceFailures } from '../../src/conformance/index.ts';
import { raft } from '../../src/raft/raft.ts';
import { breakProtocol, brokenProtocols } from './broken-protocols.ts';

const names = conformanceCases(raft).map(({ name }) => name);

test('every case has its broken protocol', () => {
  expect(Object.keys(brokenProtocols).sort()).toEqual([...names].sort());
});

test.each(names)('it is seen when this does not hold: %s', (name) => {
  const broken = brokenProtocols[name];
  if (broken === undefined) throw new Error('no protocol breaks this');
  const failing = conformanceCases(broken).find((one) => one.name === name);
  let failure: unknown;
  try {
    failing?.run();
  } catch (error) {
    failure = error;
  }
  expect(failure).toBeInstanceOf(ConformanceFailure);
  expect(failure).toMatchObject({ caseName: name, protocolName: broken.name });
});

test('what is around a broken protocol breaks nothing by itself', () => {
  expect(conformanceFailures(breakProtocol({}), { seeds: 1 })).toEqual([]);
});

test('all that fails is reported, and what passes is not', () => {
  const failures = conformanceFailures(
    breakProtocol({ input: (input) => (input.type === 'seal' ? undefined : input) }),
    {
      parts: ['interface', 'safety'],
      seeds: 1,
    },
  );
  expect(failures.map(({ caseName }) => caseName)).toEqual(['a sealed leader answers nothing from a lease']);
});
