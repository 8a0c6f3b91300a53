/** Many groups from the command line, on real threads and a real disk. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { GroupsResult } from '../src/groups/result.ts';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bench-groups-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

test('a group and two dozen are started, written to and left alone, and the figures say what that took', () => {
  const json = join(directory, 'result.json');
  const args = ['groups', '--groups', '1,24', '--algorithm', 'raft', '--idle', '500ms', '--json', json];
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], {
    env: { ...process.env, TMPDIR: directory },
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const { rows } = JSON.parse(readFileSync(json, 'utf8')) as GroupsResult;
  expect(rows.map(({ groups }) => groups)).toEqual([1, 24]);
  for (const row of rows) {
    expect(Math.min(row.startMs, row.firstWritesMs, row.cpuMs, row.writesMs)).toBeGreaterThan(0);
    // Signs of life are exchanged in either case, by the one group or by the nodes.
    expect(row.idleMessagesPerSecond).toBeGreaterThan(10);
    expect(row.idleMessagesPerSecond).toBeLessThan(1_000);
  }
  expect(stdout).toMatch(/│ raft +│ +24 │/);
  expect(readdirSync(directory).filter((name) => name.startsWith('quorate-'))).toEqual([]);
});

test('a number of groups that no cluster has is refused', () => {
  const { status, stderr } = spawnSync(process.execPath, [cli, 'groups', '--groups', '0'], {
    encoding: 'utf8',
  });
  expect(status).toBe(2);
  expect(stderr).toContain('1 to 4096');
});
