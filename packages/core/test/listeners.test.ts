/** Listeners hear in order, leave when they want, and cannot disturb who speaks. */
import { expect, test, vi } from 'vitest';
import { Listeners } from '../src/listeners.ts';

test('each hears what it asked for, until it leaves', () => {
  const listeners = new Listeners<{ up: string; down: string }>();
  const heard: string[] = [];
  const off = listeners.on('up', (event) => heard.push(`first ${event}`));
  listeners.on('up', (event) => heard.push(`second ${event}`));
  listeners.on('down', (event) => heard.push(event));
  listeners.emit('up', 'a');
  off();
  listeners.emit('up', 'b');
  expect(heard).toEqual(['first a', 'second a', 'second b']);
});

test('one that throws disturbs neither the speaker nor the others, and is not hushed up', () => {
  const later: (() => void)[] = [];
  const queue = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation((run) => void later.push(run));
  const listeners = new Listeners<{ up: number }>();
  const heard: number[] = [];
  listeners.on('up', () => {
    throw new Error('in a listener');
  });
  listeners.on('up', (event) => heard.push(event));
  listeners.emit('up', 1);
  queue.mockRestore();
  expect(heard).toEqual([1]);
  expect(later).toHaveLength(1);
  expect(later[0]).toThrowError('in a listener');
});
