/**
 * `kill -9` of a whole process in the middle of its work: whatever it was told is done is there when the
 * directory is opened again, and nothing is there twice.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Cluster } from '@quorate/consensus';
import { describe, expect, onTestFinished, test } from 'vitest';
import { algorithms, countsOf, ledgerUrl, startLedger, temporaryDirectory } from './running-cluster.ts';

const program = fileURLToPath(new URL('./processes/write-until-killed.mjs', import.meta.url));

function startWriter(directory: string, algorithm: string, prefix: string): ChildProcessWithoutNullStreams {
  const writer = spawn(process.execPath, [program, directory, algorithm, prefix]);
  onTestFinished(() => {
    writer.kill('SIGKILL');
  });
  return writer;
}

/** Lets the writer work until it has told of `enough` acknowledgements, and then does `interrupt`. */
async function acknowledgedUntil(
  writer: ChildProcessWithoutNullStreams,
  enough: number,
  interrupt: () => Promise<void>,
): Promise<string[]> {
  const complaints: string[] = [];
  writer.stderr.on('data', (text) => complaints.push(String(text)));
  const acknowledged: string[] = [];
  let interrupting: Promise<void> | undefined;
  for await (const line of createInterface({ input: writer.stdout })) {
    acknowledged.push(line);
    if (acknowledged.length >= enough) interrupting ??= interrupt();
  }
  await interrupting;
  expect(complaints.join('')).toBe('');
  // A line that the kill cut short was no acknowledgement that anybody could read.
  return acknowledged.filter((line) => /^life-\d-\d+$/.test(line));
}

describe.each(algorithms)('%s', (algorithm) => {
  test('three lives, each ended by kill -9, lose nothing that was acknowledged', async () => {
    const directory = temporaryDirectory();
    const acknowledged: string[] = [];
    for (let life = 1; life <= 3; life++) {
      const writer = startWriter(directory, algorithm, `life-${life}`);
      const enough = 300 + Math.floor(Math.random() * 1_000);
      const ended = once(writer, 'exit');
      const told = await acknowledgedUntil(writer, enough, async () => {
        const other = Cluster.start({ stateMachine: ledgerUrl, storage: { directory } });
        await expect(other, 'while its owner lives').rejects.toMatchObject({ code: 'ERR_DIRECTORY_IN_USE' });
        writer.kill('SIGKILL');
      });
      expect(await ended).toEqual([null, 'SIGKILL']);
      expect(told.length).toBeGreaterThanOrEqual(300);
      acknowledged.push(...told);

      const cluster = await startLedger({ algorithm, storage: { directory } });
      const counts = await countsOf(cluster);
      expect(acknowledged.filter((id) => counts.get(id) !== 1)).toEqual([]);
      expect([...counts].filter(([, count]) => count !== 1)).toEqual([]);
      await cluster.stop();
    }
  });
});
