/**
 * Two projects. `unit` reads every package's sources, so nothing has to be built between an edit and
 * its test. `threads` starts real workers, which can only load JavaScript: it runs against `dist/`,
 * which `npm test` builds first. A test never mixes the two.
 *
 * The unit project computes and waits for nothing, so it takes every core. The threads project measures time
 * on workers and disks of its own: it runs afterwards, one file at a time, with the machine to itself.
 */
import { defineConfig } from 'vitest/config';

const sources = ['quorate-source', 'node', 'import', 'default'];

export default defineConfig({
  test: {
    projects: [
      {
        resolve: { conditions: sources },
        ssr: { resolve: { conditions: sources, externalConditions: sources } },
        test: {
          name: 'unit',
          include: ['packages/*/test/**/*.test.ts', 'tidy/**/*.test.ts'],
          exclude: ['**/*.threads.test.ts', '**/node_modules/**', '**/dist/**'],
          testTimeout: 60_000,
          maxWorkers: '100%',
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'threads',
          include: ['packages/*/test/**/*.threads.test.ts', 'examples/**/*.threads.test.ts'],
          exclude: ['**/node_modules/**', '**/dist/**'],
          testTimeout: 60_000,
          pool: 'forks',
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
