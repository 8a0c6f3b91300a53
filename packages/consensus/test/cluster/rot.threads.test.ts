/** A member whose data rots stops loudly at its next start; the others go on, and `replace` readmits it. */
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  algorithms,
  countsOf,
  freshIds,
  leaderOf,
  nodeIs,
  outcomeOf,
  startLedger,
  temporaryDirectory,
  withOutstanding,
} from './running-cluster.ts';

const patient = { timeoutMs: 20_000 };
const fill = new Uint8Array(300);

/** What a folder holds, with its path: the files whose names end so. */
function filesOf(folder: string, ending: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith(ending)).map((name) => join(folder, name));
}

/** Flips one bit of a record that holds `id`. */
function rotRecord(folder: string, id: string): void {
  const path = filesOf(folder, '.log').find((segment) => readFileSync(segment).includes(id));
  if (path === undefined) throw new Error(`no segment of ${folder} holds ${id}`);
  const bytes = readFileSync(path);
  const at = bytes.indexOf(id);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 4, at);
  writeFileSync(path, bytes);
}

/** Cuts every snapshot short: the log that they held is gone. */
function rotSnapshots(folder: string): void {
  const paths = filesOf(folder, '.snap');
  expect(paths.length).toBeGreaterThan(0);
  for (const path of paths) truncateSync(path, Math.floor(readFileSync(path).byteLength / 2));
}

describe.each(algorithms)('%s', (algorithm) => {
  test.each([
    ['one bit of an acknowledged record', 10_000_000, rotRecord],
    ['its snapshots', 16_384, rotSnapshots],
  ] as const)(
    'scenario 36 and 37: a member that has lost %s is refused, and votes again once it is replaced',
    async (_, snapshotEveryBytes, rot) => {
      const directory = temporaryDirectory();
      const options = { algorithm, nodes: 3, storage: { directory }, snapshotEveryBytes };
      const ids = freshIds(300);
      const first = await startLedger(options);
      await withOutstanding(ids.slice(0, 200), 4, (id) => first.propose({ id, fill }, patient));
      const { commitIndex } = first.status().nodes[await leaderOf(first)] ?? { commitIndex: 0 };
      await nodeIs(first, 'b', ({ appliedIndex }) => appliedIndex >= commitIndex);
      await first.stop();
      rot(join(directory, 'b'), ids[20] as string);

      const cluster = await startLedger(options);
      expect(cluster.status().nodes['b']).toMatchObject({
        role: 'failed',
        failure: { code: 'ERR_LOG_CORRUPT' },
      });
      await withOutstanding(ids.slice(200, 250), 4, (id) => cluster.propose({ id, fill }, patient));
      expect(await cluster.replace('b', patient)).toBe(2);
      // What it had is kept, for whoever wants to look into it.
      expect(readdirSync(directory)).toContain('b.replaced-1');
      // With another one gone, b has to have a voice and all that was acknowledged, or nothing goes on.
      await cluster.faults.kill('c');
      await withOutstanding(ids.slice(250), 4, (id) => cluster.propose({ id, fill }, patient));
      expect(await countsOf(cluster)).toEqual(new Map(ids.map((id) => [id, 1])));
    },
  );

  test('scenario 38: all members have lost a record, each another one: the start is refused, and nothing changes', async () => {
    const directory = temporaryDirectory();
    const options = { algorithm, nodes: 3, storage: { directory } };
    const ids = freshIds(30);
    const first = await startLedger(options);
    for (const id of ids) await first.propose(id, patient);
    const { commitIndex } = first.status().nodes[await leaderOf(first)] ?? { commitIndex: 0 };
    for (const node of ['a', 'b', 'c']) {
      await nodeIs(first, node, ({ appliedIndex }) => appliedIndex >= commitIndex);
    }
    await first.stop();
    const nodes = ['a', 'b', 'c'];
    for (const [at, node] of nodes.entries()) rotRecord(join(directory, node), ids[8 * at + 4] as string);
    const images = () =>
      nodes.flatMap((node) => filesOf(join(directory, node), '.log').map((path) => readFileSync(path)));
    const before = images();
    for (let time = 0; time < 2; time++)
      expect(await outcomeOf(startLedger(options))).toBe('ERR_LOG_CORRUPT');
    expect(images().every((image, at) => image.equals(before[at] as Buffer))).toBe(true);
  });
});
