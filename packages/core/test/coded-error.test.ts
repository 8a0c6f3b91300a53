/** Coded errors keep their code, details and stack over any boundary that takes plain data. */
import { expect, test } from 'vitest';
import { CodedError, errorFromData, errorToData, hasCode, optionInvalid } from '../src/index.ts';

test('a coded error carries its code, its details and its cause', () => {
  const cause = new Error('beneath');
  const error = new CodedError('ERR_DISK_FULL', 'no room', { bytes: 5 }, { cause });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ name: 'CodedError', code: 'ERR_DISK_FULL', message: 'no room', cause });
  expect(error.details).toEqual({ bytes: 5 });
});

test('it crosses a thread as data, and comes out the same', () => {
  const error = new CodedError('ERR_NOT_LEADER', 'not here', { hint: 'b' });
  const back = errorFromData(structuredClone(errorToData(error)));
  expect(back).toMatchObject({ code: 'ERR_NOT_LEADER', message: 'not here', details: { hint: 'b' } });
  expect(back.stack).toBe(error.stack);
});

test.each<[string, unknown, object]>([
  ['a plain error', new TypeError('oops'), { code: 'ERR_ACTOR_FAILED', message: 'oops', details: {} }],
  ['an error of Node', Object.assign(new Error('no file'), { code: 'ENOENT' }), { code: 'ERR_ACTOR_FAILED' }],
  [
    'a name that every object has',
    Object.assign(new Error('x'), { code: 'toString' }),
    { code: 'ERR_ACTOR_FAILED' },
  ],
  ['text', 'just text', { code: 'ERR_ACTOR_FAILED', message: 'just text' }],
  ['nothing', undefined, { code: 'ERR_ACTOR_FAILED', message: 'undefined' }],
])('%s without a code of ours gets the fallback', (_, thrown, data) => {
  expect(errorToData(thrown)).toMatchObject(data);
});

test('the fallback can be chosen', () => {
  expect(errorToData(new Error('x'), 'ERR_COMMAND_FAILED').code).toBe('ERR_COMMAND_FAILED');
});

test('a code that this build does not know becomes ERR_ACTOR_FAILED', () => {
  expect(errorFromData({ code: 'ERR_OF_TOMORROW', message: 'x', details: {} }).code).toBe('ERR_ACTOR_FAILED');
  expect(errorFromData({ code: 'constructor', message: 'x', details: {} }).code).toBe('ERR_ACTOR_FAILED');
});

test('codes are matched whatever the class', () => {
  expect(hasCode({ code: 'ERR_STOPPED' }, 'ERR_STOPPED')).toBe(true);
  expect(hasCode(new CodedError('ERR_STOPPED', 'x'), 'ERR_ABORTED')).toBe(false);
  for (const nothing of [null, undefined, 'ERR_STOPPED', 5])
    expect(hasCode(nothing, 'ERR_STOPPED')).toBe(false);
});

test.each<[unknown, string]>([
  ['x', 'option nodes: "x" is not allowed; allowed: 1 to 9'],
  [12, 'option nodes: 12 is not allowed; allowed: 1 to 9'],
  [undefined, 'option nodes: undefined is not allowed; allowed: 1 to 9'],
])('a wrong option %j is named with its value and what is allowed', (value, message) => {
  const error = optionInvalid('nodes', value, '1 to 9');
  expect(error).toMatchObject({ code: 'ERR_OPTION_INVALID', message });
  expect(error.details).toMatchObject({ option: 'nodes', allowed: '1 to 9' });
});
