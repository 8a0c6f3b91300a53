/** Orders one after the other: how each is given up, and that what its caller is told is true of where it stood. */
import { type Clock, CodedError, systemClock } from '@quorate/core';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  type GivenUpBy,
  givenUpError,
  type Progress,
  type Undertaking,
  Undertakings,
} from '../../src/cluster/undertaking.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const clock: Clock = { ...systemClock, nowMs: () => Date.now() };

/** A promise that a test settles. */
function gate<T = void>() {
  let open: (value: T) => void = () => undefined;
  let fail: (error: unknown) => void = () => undefined;
  const passed = new Promise<T>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  passed.catch(() => undefined);
  return { passed, open, fail };
}

/** What becomes of a call, as it stands now. */
function watch(call: Promise<unknown>): () => string {
  let state = 'waits';
  call.then(
    (value) => {
      state = `resolved ${value}`;
    },
    (error: CodedError) => {
      state = error.code;
    },
  );
  return () => state;
}

const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);
const pass = (timeMs: number): Promise<unknown> => vi.advanceTimersByTimeAsync(timeMs);

test.each<[GivenUpBy, Progress, string]>([
  ['deadline', 'waiting', 'ERR_OVERLOADED'],
  ['deadline', 'preparing', 'ERR_NO_QUORUM'],
  ['deadline', 'wiped', 'ERR_NO_QUORUM'],
  ['deadline', 'asked', 'ERR_OUTCOME_UNKNOWN'],
  ['deadline', 'decided', 'ERR_OUTCOME_UNKNOWN'],
  ['signal', 'waiting', 'ERR_ABORTED'],
  ['signal', 'preparing', 'ERR_ABORTED'],
  ['signal', 'wiped', 'ERR_ABORTED'],
  ['signal', 'asked', 'ERR_OUTCOME_UNKNOWN'],
  ['signal', 'decided', 'ERR_OUTCOME_UNKNOWN'],
  ['stop', 'waiting', 'ERR_STOPPED'],
  ['stop', 'preparing', 'ERR_STOPPED'],
  ['stop', 'wiped', 'ERR_STOPPED'],
  ['stop', 'asked', 'ERR_OUTCOME_UNKNOWN'],
  ['stop', 'decided', 'ERR_OUTCOME_UNKNOWN'],
])('given up by %s while %s is %s', (by, progress, code) => {
  expect(givenUpError(by, progress)).toMatchObject({ code });
});

describe('while an order waits for its turn', () => {
  async function behind(options: { timeoutMs?: number; signal?: AbortSignal }) {
    const undertakings = new Undertakings(clock);
    const first = gate();
    const before = watch(undertakings.inTurn({ timeoutMs: 60_000 }, () => first.passed));
    const begun: number[] = [];
    const call = watch(
      undertakings.inTurn(options, async (undertaking) => {
        begun.push(undertaking.callOptions().timeoutMs as number);
        return 'done';
      }),
    );
    await settle();
    return { undertakings, first, before, call, begun };
  }

  test('its time passes: what it has waited is not given to it again', async () => {
    const { first, call, begun } = await behind({ timeoutMs: 1_000 });
    await pass(400);
    expect([call(), begun]).toEqual(['waits', []]);
    first.open();
    await settle();
    expect([call(), begun]).toEqual(['resolved done', [600]]);
  });

  test('its deadline comes, and it is told then, and never begun', async () => {
    const { first, before, call, begun } = await behind({ timeoutMs: 1_000 });
    await pass(999);
    expect(call()).toBe('waits');
    await pass(1);
    expect(call()).toBe('ERR_OVERLOADED');
    first.open();
    await settle();
    expect([before(), begun]).toEqual(['resolved undefined', []]);
  });

  test('its signal is raised, and it is told at once why, and never begun', async () => {
    const controller = new AbortController();
    const { first, call, begun } = await behind({ signal: controller.signal });
    controller.abort();
    await settle();
    expect(call()).toBe('ERR_ABORTED');
    first.open();
    await settle();
    expect(begun).toEqual([]);
  });

  test('the cluster stops: it is told at once, and the stop waits for the one that is at work', async () => {
    const { undertakings, first, before, call, begun } = await behind({});
    const stopped = watch(undertakings.stop());
    await settle();
    expect([call(), before(), stopped()]).toEqual(['ERR_STOPPED', 'ERR_STOPPED', 'waits']);
    first.open();
    await settle();
    expect([stopped(), begun]).toEqual(['resolved undefined', []]);
    const late = watch(undertakings.inTurn({}, async () => 'begun'));
    await settle();
    expect(late()).toBe('ERR_STOPPED');
  });

  test('another one fails, which is nothing to it', async () => {
    const { first, before, call } = await behind({});
    first.fail(new CodedError('ERR_EPOCH_CHANGED', 'too late', {}));
    await settle();
    expect([before(), call()]).toEqual(['ERR_EPOCH_CHANGED', 'resolved done']);
  });
});

test('an order that makes no sense is refused before it waits', async () => {
  const undertakings = new Undertakings(clock);
  void undertakings.inTurn({}, () => new Promise(() => undefined)).catch(() => undefined);
  for (const timeoutMs of [0, -1, Number.NaN, 2 ** 32])
    await expect(undertakings.inTurn({ timeoutMs }, async () => undefined)).rejects.toMatchObject({
      code: 'ERR_OPTION_INVALID',
    });
  const reason = new Error('changed my mind');
  const aborted = undertakings.inTurn({ signal: AbortSignal.abort(reason) }, async () => undefined);
  await expect(aborted).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: reason });
});

describe('once its turn has come', () => {
  function atWork(work: (undertaking: Undertaking) => Promise<unknown>, signal?: AbortSignal) {
    const undertakings = new Undertakings(clock);
    const options = { timeoutMs: 1_000, ...(signal === undefined ? {} : { signal }) };
    return { undertakings, call: watch(undertakings.inTurn(options, work)) };
  }
  const never = (): Promise<never> => new Promise(() => undefined);

  test.each<[GivenUpBy, string]>([
    ['deadline', 'ERR_NO_QUORUM'],
    ['signal', 'ERR_ABORTED'],
    ['stop', 'ERR_STOPPED'],
  ])('and nothing was asked, a step that lasts is left at its %s, and none follows', async (by, code) => {
    const controller = new AbortController();
    const steps: string[] = [];
    const { undertakings, call } = atWork(async (undertaking) => {
      await undertaking.wait(async () => void steps.push('one'));
      await undertaking.wait(never).catch(() => steps.push('left'));
      await undertaking.wait(async () => void steps.push('two'));
    }, controller.signal);
    await settle();
    if (by === 'deadline') await pass(1_000);
    else if (by === 'signal') controller.abort();
    else void undertakings.stop();
    await settle();
    expect([call(), steps]).toEqual([code, ['one', 'left']]);
  });

  test('a step may say what the deadline means to it, and only that', async () => {
    const late = () => new CodedError('ERR_DISK_FAILED', 'it hangs', {});
    const { call } = atWork((undertaking) => undertaking.wait(never, late));
    await pass(1_000);
    expect(call()).toBe('ERR_DISK_FAILED');
    const { undertakings, call: other } = atWork((undertaking) => undertaking.wait(never, late));
    await settle();
    void undertakings.stop();
    await settle();
    expect(other()).toBe('ERR_STOPPED');
  });

  test('of several steps at once one says what the deadline means that is under way still', async () => {
    const over = () => new CodedError('ERR_LOG_CORRUPT', 'that was over', {});
    const late = () => new CodedError('ERR_DISK_FAILED', 'it hangs', {});
    const short = gate();
    const { call } = atWork((undertaking) =>
      Promise.all([
        undertaking.wait(() => short.passed, over),
        undertaking.wait(never, late),
        undertaking.wait(() => short.passed),
      ]),
    );
    await settle();
    short.open();
    await pass(1_000);
    expect(call()).toBe('ERR_DISK_FAILED');
  });

  test.each<GivenUpBy>(['deadline', 'signal', 'stop'])(
    'whoever waits on its behalf hears of its %s at once',
    async (by) => {
      const controller = new AbortController();
      let signal: AbortSignal | undefined;
      const { undertakings } = atWork((undertaking) => {
        signal = undertaking.signal;
        return undertaking.wait(never);
      }, controller.signal);
      await settle();
      expect(signal?.aborted).toBe(false);
      if (by === 'deadline') await pass(1_000);
      else if (by === 'signal') controller.abort();
      else void undertakings.stop();
      expect(signal?.aborted).toBe(true);
    },
  );

  test('what goes on by itself is waited for as long as there is time, which ends without an error', async () => {
    const [quick, slow] = [gate(), gate()];
    const { call } = atWork(async (undertaking) => {
      undertaking.decided();
      await undertaking.waitIfTime(quick.passed);
      await undertaking.waitIfTime(slow.passed);
      return 'epoch 2';
    });
    await settle();
    quick.open();
    await pass(999);
    expect(call()).toBe('waits');
    await pass(1);
    expect(call()).toBe('resolved epoch 2');
    const failure = new CodedError('ERR_STOPPED', 'it failed', {});
    const { call: other } = atWork((undertaking) => undertaking.waitIfTime(Promise.reject(failure)));
    await settle();
    expect(other()).toBe('ERR_STOPPED');
  });

  test('and a leader was asked, its answer counts, also at the deadline', async () => {
    const answer = gate<string>();
    const { call } = atWork(async (undertaking) => {
      undertaking.asking();
      return answer.passed;
    });
    await pass(1_000);
    expect(call()).toBe('waits');
    answer.open('epoch 2');
    await settle();
    expect(call()).toBe('resolved epoch 2');
  });

  test.each(['asking', 'decided'] as const)(
    'what follows %s is left with an outcome unknown',
    async (step) => {
      const { call } = atWork(async (undertaking) => {
        undertaking[step]();
        await undertaking.wait(never);
      });
      await pass(1_000);
      expect(call()).toBe('ERR_OUTCOME_UNKNOWN');
    },
  );

  test('no leader is asked once it was given up', async () => {
    let wasAsked = false;
    const preparing = gate();
    const { call } = atWork(async (undertaking) => {
      await preparing.passed;
      undertaking.asking();
      wasAsked = true;
    });
    await pass(1_000);
    preparing.open();
    await settle();
    expect([call(), wasAsked]).toEqual(['ERR_NO_QUORUM', false]);
  });
});

describe('what was prepared is taken back', () => {
  function failing(timeoutMs: number) {
    const undertakings = new Undertakings(clock);
    const back = gate();
    const warnings: string[] = [];
    const call = watch(
      undertakings.inTurn({ timeoutMs }, (undertaking) =>
        undertaking.undo(
          new CodedError('ERR_FOREIGN_DATA', 'not ours', {}),
          () => back.passed,
          (line) => warnings.push(line),
        ),
      ),
    );
    const next = watch(undertakings.inTurn({ timeoutMs: 60_000 }, async () => 'begun'));
    return { undertakings, back, warnings, call, next };
  }

  test('before the caller is told why, and before the next order', async () => {
    const { back, call, next } = failing(1_000);
    await settle();
    expect([call(), next()]).toEqual(['waits', 'waits']);
    back.open();
    await settle();
    expect([call(), next()]).toEqual(['ERR_FOREIGN_DATA', 'resolved begun']);
  });

  test('after the deadline if it takes so long: the caller is told in time, the next order waits', async () => {
    const { back, call, next } = failing(1_000);
    await pass(1_000);
    expect([call(), next()]).toEqual(['ERR_FOREIGN_DATA', 'waits']);
    back.open();
    await settle();
    expect(next()).toBe('resolved begun');
  });

  test('as far as it can be: what cannot is warned of, and does not hide why', async () => {
    const { back, call, warnings } = failing(1_000);
    back.fail(new Error('disk full'));
    await settle();
    expect(call()).toBe('ERR_FOREIGN_DATA');
    expect(warnings).toEqual([expect.stringContaining('disk full')]);
  });

  test('before a stop is over', async () => {
    const { undertakings, back, call } = failing(1_000);
    await settle();
    const stopped = watch(undertakings.stop());
    await settle();
    expect([call(), stopped()]).toEqual(['ERR_FOREIGN_DATA', 'waits']);
    back.open();
    await settle();
    expect(stopped()).toBe('resolved undefined');
  });
});

test('an order that has ended leaves no timer and no listener behind', async () => {
  const undertakings = new Undertakings(clock);
  const { signal } = new AbortController();
  const removed = vi.spyOn(signal, 'removeEventListener');
  await undertakings.inTurn({ signal }, async () => 'done');
  await settle();
  expect(vi.getTimerCount()).toBe(0);
  expect(removed).toHaveBeenCalledTimes(1);
});
