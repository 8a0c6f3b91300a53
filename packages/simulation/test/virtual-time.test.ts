/** Virtual time: events in order, turns to their end, and the clock of a life that ends with it. */
import { expect, test } from 'vitest';
import { NodeClock, VirtualTime } from '../src/virtual-time.ts';

async function runAll(time: VirtualTime): Promise<void> {
  expect(await time.runUntil(() => false)).toBe(false);
}

test('events run by time, those of one moment in the order of asking', async () => {
  const time = new VirtualTime();
  const ran: string[] = [];
  time.after(5, () => ran.push(`late at ${time.nowMs}`));
  time.after(1, () => ran.push(`first at ${time.nowMs}`));
  time.after(1, () => ran.push(`second at ${time.nowMs}`));
  time.after(3, () => ran.push('cancelled')).cancel();
  await runAll(time);
  expect(ran).toEqual(['first at 1', 'second at 1', 'late at 5']);
});

test('before time moves on, what was deferred and every ready promise has run', async () => {
  const time = new VirtualTime();
  const ran: string[] = [];
  time.after(1, () => {
    time.defer(() => ran.push('deferred'));
    void Promise.resolve()
      .then(() => Promise.resolve())
      .then(() => time.defer(() => ran.push('deferred by a promise')));
    ran.push('event');
  });
  time.after(1, () => ran.push('next event'));
  await runAll(time);
  expect(ran).toEqual(['event', 'deferred', 'deferred by a promise', 'next event']);
});

test('a paused clock keeps what is due until it resumes; an ended one runs nothing more', async () => {
  const time = new VirtualTime();
  const [paused, ended] = [new NodeClock(time), new NodeClock(time)];
  const ran: string[] = [];
  paused.after(1, () => ran.push(`paused, at ${time.nowMs}`));
  ended.after(2, () => ran.push('ended'));
  paused.pause();
  time.after(1, () => ended.end());
  time.after(10, () => paused.resume());
  await runAll(time);
  expect(ran).toEqual(['paused, at 10']);
});

test('many events in random order come out sorted', async () => {
  const time = new VirtualTime();
  const times: number[] = [];
  for (let at = 0; at < 500; at++) time.after((at * 7919) % 501, () => times.push(time.nowMs));
  await runAll(time);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(times).toHaveLength(500);
});

test('a clock that gains rings early by its own count, and one whose wall clock is set keeps its pace', async () => {
  const time = new VirtualTime();
  const clock = new NodeClock(time, { rate: 1.25 });
  const rang: number[] = [];
  clock.after(100, () => rang.push(clock.nowMs()));
  await runAll(time);
  expect([time.nowMs, ...rang]).toEqual([80, 100]);

  const wallMs = clock.wallMs();
  clock.setRate(0.5);
  clock.jumpWall(5_000);
  expect(clock.nowMs()).toBe(100);
  time.after(20, () => undefined);
  await time.runUntil(() => time.nowMs >= 100);
  expect([clock.nowMs(), clock.wallMs() - wallMs]).toEqual([110, 5_010]);
});

test('while a thread computes its clock goes on, and what comes meanwhile waits its turn', async () => {
  const time = new VirtualTime();
  let turns = 0;
  const clock = new NodeClock(time, {
    ran: () => {
      turns += 1;
    },
  });
  const ran: string[] = [];
  clock.after(1, () => {
    clock.spend(10);
    ran.push(`computed until ${clock.nowMs()}`);
    clock.after(5, () => ran.push(`timer at ${clock.nowMs()}`));
    clock.defer(() => ran.push(`deferred, at ${clock.nowMs()}`));
  });
  time.after(4, () => clock.whenAwake(() => ran.push(`message, at ${clock.nowMs()}`)));
  await runAll(time);
  expect(ran).toEqual(['computed until 11', 'deferred, at 11', 'message, at 11', 'timer at 16']);
  expect(turns).toBe(4);
});

test.each([
  [false, ['message', 'timer', 'late message']],
  [true, ['timer', 'message', 'late message']],
])(
  'after a pause what is stale runs first, timers before all if so wanted: %s',
  async (timersFirst, order) => {
    const time = new VirtualTime();
    const clock = new NodeClock(time);
    const ran: string[] = [];
    clock.pause();
    time.after(1, () => clock.whenAwake(() => ran.push('message')));
    clock.after(2, () => ran.push('timer'));
    time.after(3, () => clock.resume(timersFirst));
    time.after(3, () => clock.whenAwake(() => ran.push('late message')));
    await runAll(time);
    expect(ran).toEqual(order);
  },
);
