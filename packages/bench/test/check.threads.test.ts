import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const histories = fileURLToPath(new URL('../../simulation/test/histories/', import.meta.url));

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'quorate-check-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function run(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

function fileOf(name: string, ...lines: readonly string[]): string {
  const path = join(directory, name);
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
  return path;
}

describe('quorate-bench check', () => {
  test('exits with 0 for a linearizable history', () => {
    const { status, stdout, stderr } = run('check', `${histories}etcd-002.jsonl`, '--model', 'cas-register');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toBe(`${histories}etcd-002.jsonl: linearizable (77 operations, 1 key)\n`);
  });

  test('exits with 1 for another, names the operation, and writes the whole result', () => {
    const json = join(directory, 'result.json');
    const file = `${histories}kv-c01-bad.jsonl`;
    const { status, stdout } = run('check', file, '--model', 'kv-append', '--json', json);
    expect(status).toBe(1);
    expect(stdout).toBe(
      `${file}: NOT linearizable (38 operations, 8 keys): lines 59 to 60: process 0 saw "x 0 0 y" in key "7", ` +
        'but it could only have held "x 0 0 yx 0 3 y" then\n',
    );
    expect(JSON.parse(readFileSync(json, 'utf8'))).toMatchObject({
      model: 'kv-append',
      files: [{ file, linearizable: false, key: '7', firstUnplaceable: { process: 0, completedAtLine: 60 } }],
    });
  });

  test('gives all the public histories their verdicts in under ten seconds', () => {
    const verdicts: { file: string; model: string; linearizable: boolean }[] = JSON.parse(
      readFileSync(`${histories}verdicts.json`, 'utf8'),
    );
    const begin = performance.now();
    for (const model of ['cas-register', 'kv-append']) {
      const expected = verdicts.filter((verdict) => verdict.model === model);
      const json = join(directory, `${model}.json`);
      const files = expected.map(({ file }) => histories + file);
      expect(run('check', ...files, '--model', model, '--json', json).status).toBe(1);
      const result: { files: { linearizable: boolean }[] } = JSON.parse(readFileSync(json, 'utf8'));
      expect(result.files.map(({ linearizable }) => linearizable)).toEqual(
        expected.map(({ linearizable }) => linearizable),
      );
    }
    expect(performance.now() - begin).toBeLessThan(10_000);
  });

  test('exits with 2 and one line with the line number for a malformed file, and checks the others', () => {
    const good = fileOf('good.jsonl', '{"process":0,"type":"invoke","f":"write","value":1}');
    const bad = fileOf('bad.jsonl', '{"process":0,"type":"invoke","f":"read"}', '{"process":0,');
    const { status, stdout, stderr } = run('check', bad, good, '--model', 'cas-register');
    expect(status).toBe(2);
    expect(stderr).toBe(`${bad}: line 2: not JSON\n`);
    expect(stdout).toBe(`${good}: linearizable (1 operation, 1 key)\n`);
  });

  test.each([
    [
      'a file that is not there',
      ['/absent.jsonl', '--model', 'cas-register'],
      /<files\.\.\.>.*absent\.jsonl/,
    ],
    ['a directory', ['/', '--model', 'cas-register'], /<files\.\.\.>.*EISDIR/],
    ['no file', ['--model', 'cas-register'], /files/],
    ['no model', [`${histories}etcd-002.jsonl`], /--model/],
    [
      'another model',
      [`${histories}etcd-002.jsonl`, '--model', 'queue'],
      /--model.*queue.*cas-register, kv-append/,
    ],
    ['an unknown option', [`${histories}etcd-002.jsonl`, '--model', 'cas-register', '--jsno', 'x'], /--jsno/],
    [
      'a result file that cannot be written',
      [`${histories}etcd-002.jsonl`, '--model', 'cas-register', '--json', '/absent/result.json'],
      /--json.*absent/,
    ],
    [
      'a model without the words',
      [`${histories}kv-c01-ok.jsonl`, '--model', 'cas-register'],
      /line 1: .*append/,
    ],
  ])('exits with 2 and one line that says why: %s', (_, args, reason) => {
    const { status, stderr } = run('check', ...args);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^[^\n]+\n$/);
    expect(stderr).toMatch(reason);
  });
});

describe('quorate-bench', () => {
  test('says its version and lists its subcommands', () => {
    const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
    expect(execFileSync(process.execPath, [cli, '--version'], { encoding: 'utf8' })).toBe(`${version}\n`);
    const { status, stdout } = run('--help');
    expect(status).toBe(0);
    expect(stdout).toContain('check');
  });

  test('exits with 2 and one line for an unknown subcommand', () => {
    const { status, stderr } = run('chekc');
    expect(status).toBe(2);
    expect(stderr).toMatch(/^quorate-bench: .*chekc.*\n$/);
  });
});
