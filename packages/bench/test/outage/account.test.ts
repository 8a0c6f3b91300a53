/** Loads on several clusters, put together. */
import { expect, test } from 'vitest';
import { accountOf } from '../../src/outage/account.ts';
import type { AccountedLoad } from '../../src/outage/audited-load.ts';

const load = (more: Partial<AccountedLoad<undefined>> = {}): AccountedLoad<undefined> => ({
  value: undefined,
  operations: { ok: 10, failed: 1, unknown: 2 },
  audit: { acknowledged: 10, lost: 0, doubled: 0, contradicted: 0 },
  errors: new Map([['ERR_NO_QUORUM', 1]]),
  warnings: ['slow disk'],
  verified: true,
  ...more,
});

test('operations, audits and errors add up, and a warning is told once', () => {
  const audit = { acknowledged: 5, lost: 1, doubled: 0, contradicted: 0 };
  expect(accountOf([load(), load({ audit, verdictNote: 'hm' })], true)).toEqual({
    operations: { ok: 20, failed: 2, unknown: 4 },
    audit: { acknowledged: 15, lost: 1, doubled: 0, contradicted: 0 },
    recorded: true,
    verified: true,
    verdictNote: 'hm',
    errors: { ERR_NO_QUORUM: 2 },
    warnings: ['slow disk'],
  });
});

test.each([
  [[true, true], true],
  [[true, null], null],
  [[null, false, true], false],
])('verdicts %j make %j', (verdicts, together) => {
  expect(
    accountOf(
      verdicts.map((verified) => load({ verified })),
      true,
    ).verified,
  ).toBe(together);
});

test('without a history there is no audit', () => {
  const account = accountOf([load({ audit: undefined, verified: null })], false);
  expect(account).toMatchObject({ audit: null, recorded: false, verified: null });
});
