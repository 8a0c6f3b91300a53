/**
 * The machine and the commit behind a figure: enough to compare, nothing that names a host or a path.
 */
import { execFileSync } from 'node:child_process';
import { arch, cpus, platform, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Machine, ResultContext } from './result.ts';

export function describeMachine(): Machine {
  const cores = cpus();
  return {
    cpu: cores[0]?.model.trim() ?? 'unknown',
    cores: cores.length,
    memoryBytes: totalmem(),
    node: process.version,
    platform: `${platform()} ${arch()}`,
  };
}

/**
 * Git's name of the commit that this bench was built from, with `-dirty` where files had changed since.
 * Null when there is no git, or when the package is installed inside someone else's repository.
 */
export function currentCommit(): string | null {
  const packageDirectory = dirname(dirname(fileURLToPath(import.meta.url)));
  const git = (...args: string[]): string =>
    execFileSync('git', ['-C', packageDirectory, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  try {
    git('ls-files', '--error-unmatch', join(packageDirectory, 'package.json'));
    return git('describe', '--always', '--dirty', '--abbrev=12', '--exclude=*').trim();
  } catch {
    return null;
  }
}

/** @param commandArguments what followed the program's name on the command line */
export function describeContext(commandArguments: readonly string[]): ResultContext {
  return {
    machine: describeMachine(),
    commit: currentCommit(),
    commandLine: ['quorate-bench', ...commandArguments.map(quoteForShell)].join(' '),
    startedAt: new Date().toISOString(),
  };
}

function quoteForShell(argument: string): string {
  if (/^[\w@%+=:,./-]+$/.test(argument)) return argument;
  return `'${argument.replaceAll("'", `'\\''`)}'`;
}
