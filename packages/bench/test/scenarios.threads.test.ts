/** `quorate-bench sim --scenario`: the list, one played, one red, and a name that there is not. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

function sim(...args: readonly string[]) {
  return spawnSync(process.execPath, [cli, 'sim', '--scenario', ...args], { encoding: 'utf8' });
}

test('tells all of them, each with its story and its source', () => {
  const { status, stdout } = sim('list');
  expect(status).toBe(0);
  expect(stdout).toContain('12-one-link-cut (raft, multi-paxos)\n  12. One link is cut');
  expect(stdout.match(/^ {2}source: /gm)?.length).toBeGreaterThan(30);
});

test('plays one under both protocols, and shows what it says', () => {
  const { status, stdout } = sim('40-single-node');
  expect(status).toBe(0);
  expect(stdout).toContain('client 1: put x 2 -> outcome unknown');
  expect(stdout).toContain('40-single-node under raft: passed\n40-single-node under multi-paxos: passed\n');
});

test('exits with 1 without the guard, and says what was seen', () => {
  const { status, stdout } = sim('02-lost-grant', '--algorithm', 'raft', '--plant', 'reply-before-persist');
  expect(status).toBe(1);
  expect(stdout).toMatch(
    /02-lost-grant under raft: FAILED\nline \d+: epoch 1: promises kept: b helped to elect c/,
  );
});

test('exits with 2 for a scenario that there is not', () => {
  const { status, stderr } = sim('no-such-story');
  expect(status).toBe(2);
  expect(stderr).toContain('no-such-story');
});
