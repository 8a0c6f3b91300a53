import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { measureLimit } from '@quorate/bench';
import { expect, test } from 'vitest';

test.each(['disk', 'memory'] as const)(
  'the limit with %s gives both rows, and leaves nothing behind',
  async (storage) => {
    const before = leftBehind();
    const notes: string[] = [];
    const rows = await measureLimit(
      { clients: [16], nodes: 3, storage, payloadBytes: 16, durationMs: 300 },
      (_, note) => notes.push(note),
    );
    expect(rows.map(({ mode, clients }) => [mode, clients])).toEqual([
      ['opaque', 16],
      ['decoded', 16],
    ]);
    for (const row of rows) {
      expect(row.operations.ok).toBeGreaterThan(100);
      expect(row.operations).toMatchObject({ failed: 0, unknown: 0 });
      expect(row.throughputPerSecond).toBeCloseTo(row.operations.ok / row.durationSeconds, 3);
      expect(row.latencyMs.p50).toBeGreaterThan(0);
      expect(row.latencyMs.max).toBeGreaterThanOrEqual(row.latencyMs.p99 ?? Number.POSITIVE_INFINITY);
      expect(row.cpuMicrosecondsPerOperation).toBeGreaterThan(0);
    }
    expect(notes).toHaveLength(2);
    expect(leftBehind()).toEqual(before);
  },
);

test('a load too large to hold is refused before anything starts', async () => {
  const options = { nodes: 3, storage: 'memory', payloadBytes: 2 ** 20, durationMs: 300 } as const;
  await expect(measureLimit({ ...options, clients: [1, 1_000] })).rejects.toMatchObject({
    code: 'ERR_OPTION_INVALID',
  });
});

function leftBehind(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('quorate-limit-'));
}
