/** The directory lock between real processes: one holder at a time, and the dead let go. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lockDirectory } from '@quorate/storage';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

let directory: string;
let children: ChildProcess[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'quorate-lock-'));
});

afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children = [];
  rmSync(directory, { recursive: true });
});

/** A process that runs `body` with `lockDirectory` and `directory` in scope, and speaks in lines. */
function start(
  body: string,
  where = directory,
): { child: ChildProcess; line: Promise<string>; exit: Promise<void> } {
  const source = `
    import { lockDirectory } from ${JSON.stringify(import.meta.resolve('@quorate/storage'))};
    const directory = ${JSON.stringify(where)};
    ${body}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const exit = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  const line = new Promise<string>((resolve) => {
    let text = '';
    child.stdout?.on('data', (data: Buffer) => {
      text += String(data);
      if (text.includes('\n')) resolve(text.trim());
    });
    child.stdout?.on('end', () => resolve(text.trim()));
  });
  return { child, line, exit };
}

const holdForEver = `await lockDirectory(directory); console.log('held'); setInterval(() => {}, 1000);`;
const tryOnce = `console.log(await lockDirectory(directory).then(() => 'held', (error) => error.code));`;

describe('a directory', () => {
  test('has one holder, and the next once it is released', async () => {
    const lock = await lockDirectory(directory);
    await expect(lockDirectory(directory)).rejects.toMatchObject({
      code: 'ERR_DIRECTORY_IN_USE',
      details: { directory },
    });
    expect(await start(tryOnce).line).toBe('ERR_DIRECTORY_IN_USE');
    await lock.release();
    await lock.release();
    expect(readdirSync(directory)).toEqual([]);
    expect(await start(tryOnce).line).toBe('held');
  });

  test('is let go by a holder that is killed', async () => {
    const { child, line, exit } = start(holdForEver);
    expect(await line).toBe('held');
    await expect(lockDirectory(directory)).rejects.toMatchObject({ code: 'ERR_DIRECTORY_IN_USE' });
    child.kill('SIGKILL');
    await exit;
    const lock = await lockDirectory(directory);
    await expect(lockDirectory(directory)).rejects.toMatchObject({ code: 'ERR_DIRECTORY_IN_USE' });
    await lock.release();
    expect(readdirSync(directory)).toEqual([]);
  });

  test('is kept by a holder that is stopped or too busy to answer', async () => {
    const { child, line } = start(holdForEver);
    expect(await line).toBe('held');
    child.kill('SIGSTOP');
    await expect(lockDirectory(directory)).rejects.toMatchObject({ code: 'ERR_DIRECTORY_IN_USE' });
  });

  test('left by a dead holder goes to exactly one of many that ask at once', async () => {
    for (let round = 0; round < 5; round++) {
      const { child, line, exit } = start(holdForEver);
      expect(await line).toBe('held');
      child.kill('SIGKILL');
      await exit;
      const attempts = await Promise.allSettled(Array.from({ length: 12 }, () => lockDirectory(directory)));
      const locks = attempts.filter((attempt) => attempt.status === 'fulfilled').map(({ value }) => value);
      expect(locks.length).toBe(1);
      for (const lock of locks) await lock.release();
    }
  });

  test('whose taking over was itself killed can still be taken', async () => {
    const { child, line, exit } = start(`
      const { createServer } = await import('node:net');
      for (const level of [0, 1, 2]) {
        await new Promise((done) => createServer().listen(directory + '/lock.' + level + '.sock', done));
      }
      console.log('held'); setInterval(() => {}, 1000);`);
    expect(await line).toBe('held');
    child.kill('SIGKILL');
    await exit;
    const lock = await lockDirectory(directory);
    expect(readdirSync(directory)).toEqual(['lock.0.sock']);
    await lock.release();
  });

  test('does not keep its holder alive', async () => {
    const { line, exit } = start(`await lockDirectory(directory); console.log('held');`);
    expect(await line).toBe('held');
    await exit;
  });

  test('may have a path longer than a socket address', async () => {
    const deep = join(directory, 'a'.repeat(120), 'b'.repeat(120));
    const { child, line, exit } = start(holdForEver, deep);
    expect(await line).toBe('held');
    await expect(lockDirectory(deep)).rejects.toMatchObject({ code: 'ERR_DIRECTORY_IN_USE' });
    child.kill('SIGKILL');
    await exit;
    await (await lockDirectory(deep)).release();
    expect(readdirSync(deep)).toEqual([]);
  });

  test('that cannot be written is an error with the name that the system gives to it', async () => {
    writeFileSync(join(directory, 'file'), '');
    await expect(lockDirectory(join(directory, 'file'))).rejects.toMatchObject({ code: 'ERR_DISK_FAILED' });
  });
});
