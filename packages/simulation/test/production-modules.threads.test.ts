/**
 * What the simulator runs is what production runs: this test lists every module that it never executes.
 *
 * Seeds run in a child process under V8's own coverage. A module counts as executed when one of its
 * functions was called; loading it is not enough.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const execute = promisify(execFile);
const packages = resolve(import.meta.dirname, '../..');

/** Why each of these is not for a simulation to run; threads and unit tests cover them. */
const onlyOutsideSimulation: Readonly<Record<string, readonly string[]>> = {
  'the app starts and strikes a cluster of threads': [
    'consensus/cluster/claimed-storage.js',
    'consensus/cluster/cluster-directory.js',
    'consensus/cluster/cluster-record.js',
    'consensus/cluster/cluster-status.js',
    'consensus/cluster/cluster.js',
    'consensus/cluster/disk-trace.js',
    'consensus/cluster/each-of.js',
    'consensus/cluster/epoch-control.js',
    'consensus/cluster/faults.js',
    'consensus/cluster/group-clients.js',
    'consensus/cluster/group.js',
    'consensus/cluster/node-actor.js',
    'consensus/cluster/node-argument.js',
    'consensus/cluster/node-crew.js',
    'consensus/cluster/options.js',
    'consensus/cluster/start-patience.js',
    'consensus/cluster/undertaking.js',
    'core/link/message-port.js',
    'core/listeners.js',
    'core/module-loading.js',
    'core/node-handle.js',
    'core/router/control.js',
    'core/router/endpoint.js',
    'core/router/reporter.js',
    'core/router/wiring.js',
    'core/router/worker-entry.js',
    'core/system.js',
  ],
  'the real disk, and a twin of it that the simulated disk makes superfluous': [
    'storage/directory-lock.js',
    'storage/disk-thread-entry.js',
    'storage/disk-thread.js',
    'storage/node-file-system.js',
    'storage/system-calls.js',
    'storage/tracing-file-system.js',
  ],
  'the real clock': ['core/clock.js'],
  'actors in general: replicas and clients do not ask': ['core/link/loopback.js', 'core/wire/error-data.js'],
  'reached by bugs only': ['core/exhaustive.js'],
};

/** Protocols are checked by the one, and Paxos is taught by the other: no replica runs them. */
const besideProduction = ['conformance/', 'synod/'];

interface ScriptCoverage {
  readonly url: string;
  readonly functions: readonly {
    readonly functionName: string;
    readonly ranges: readonly { readonly startOffset: number; readonly count: number }[];
  }[];
}

const seedsOf = (algorithm: string): string => `
  import { simulate } from ${JSON.stringify(join(packages, 'simulation/dist/index.js'))};
  for (let seed = 1; seed <= 10; seed++) {
    const { violation } = await simulate({ algorithm: '${algorithm}', seed, operations: 100 });
    if (violation !== undefined) throw new Error(violation);
  }
`;

test('the simulator executes every production module but those of threads and real disks', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'quorate-coverage-'));
  try {
    await Promise.all(
      ['raft', 'multi-paxos'].map((algorithm) =>
        execute(process.execPath, ['--input-type=module', '--eval', seedsOf(algorithm)], {
          env: { ...process.env, NODE_V8_COVERAGE: directory },
        }),
      ),
    );
    const executed = new Set<string>();
    for (const file of readdirSync(directory)) {
      const { result } = JSON.parse(readFileSync(join(directory, file), 'utf8')) as {
        readonly result: readonly ScriptCoverage[];
      };
      for (const script of result) note(script, executed);
    }
    const never = productionModules().filter((module) => !executed.has(module) && isExecutable(module));
    expect(never.sort()).toEqual(Object.values(onlyOutsideSimulation).flat().sort());
  } finally {
    rmSync(directory, { recursive: true });
  }
});

function note(script: ScriptCoverage, executed: Set<string>): void {
  if (!script.url.startsWith('file:')) return;
  const path = fileURLToPath(script.url);
  if (!path.startsWith(packages)) return;
  const module = path.slice(packages.length + 1).replace('/dist/', '/');
  const [, ...functions] = script.functions;
  if (functions.some(({ ranges }) => (ranges[0]?.count ?? 0) > 0)) executed.add(module);
}

function productionModules(): string[] {
  return ['consensus', 'core', 'storage'].flatMap((name) =>
    readdirSync(join(packages, name, 'dist'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.js') && !besideProduction.some((folder) => file.startsWith(folder)))
      .map((file) => `${name}/${file}`)
      .sort(),
  );
}

/** Whether there is anything to call: some modules hold constants, types or re-exports alone. */
function isExecutable(module: string): boolean {
  const [name, ...rest] = module.split('/');
  const code = readFileSync(join(packages, name as string, 'dist', ...rest), 'utf8');
  return /\bfunction\b|=>|\bclass\b/.test(code.replaceAll(/\/\*[\s\S]*?\*\//g, ''));
}
