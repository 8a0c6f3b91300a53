/** Watchers are told of changes, and forgotten when there are too many. */
import type { ActorRef } from '@quorate/core';
import { expect, test } from 'vitest';
import type { ReplicaStatus } from '../../src/replica/message.ts';
import { StatusWatchers, watchersMax } from '../../src/replica/status-watchers.ts';

function setUp() {
  let position = 0;
  const told: string[] = [];
  const watchers = new StatusWatchers(
    () => ({ node: 'a', role: 'leader', members: ['a'], position }) as unknown as ReplicaStatus,
  );
  const client = (name: string): ActorRef =>
    ({ address: `app/${name}`, tell: () => told.push(name) }) as unknown as ActorRef;
  const change = (): void => {
    position += 1;
  };
  const takeTold = (): string[] => told.splice(0);
  return { watchers, client, change, takeTold };
}

test('who asks is told at once, and then of each change, once', () => {
  const { watchers, client, change, takeTold } = setUp();
  watchers.watch(client('one'));
  watchers.watch(client('one'));
  expect(takeTold()).toEqual(['one', 'one']);
  change();
  watchers.publish();
  watchers.publish();
  expect(takeTold()).toEqual(['one']);
});

test('of too many the one that has not asked for the longest is forgotten', () => {
  const { watchers, client, change, takeTold } = setUp();
  for (let at = 0; at < watchersMax; at++) watchers.watch(client(`client ${at}`));
  watchers.watch(client('client 0'));
  for (let at = 0; at < 3; at++) watchers.watch(client(`late ${at}`));
  expect(watchers.size).toBe(watchersMax);
  takeTold();
  change();
  watchers.publish();
  const told = takeTold();
  expect(told).toHaveLength(watchersMax);
  expect(told).toContain('client 0');
  expect(told).toContain('late 2');
  expect(told).not.toContain('client 1');
  expect(told).not.toContain('client 3');
});
