/** Modules are loaded by URL, or refused with the URL and what to do. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { loadModule } from '../src/index.ts';

const directory = mkdtempSync(join(tmpdir(), 'quorate-modules-'));
afterAll(() => rmSync(directory, { recursive: true }));

function moduleWith(name: string, source: string): string {
  const path = join(directory, name);
  writeFileSync(path, source);
  return pathToFileURL(path).href;
}

test('a module is loaded with all that it exports', async () => {
  const url = moduleWith('good.mjs', 'export default 1; export const two = 2;');
  expect(await loadModule(url)).toMatchObject({ default: 1, two: 2 });
});

test.each([
  ['is missing', () => pathToFileURL(join(directory, 'missing.mjs')).href, 'cannot be loaded'],
  ['throws while it loads', () => moduleWith('throws.mjs', 'throw new Error("on load");'), 'on load'],
  ['does not parse', () => moduleWith('syntax.mjs', 'export default ((;'), 'cannot be loaded'],
  ['is not named by a URL', () => './relative.js', 'is not a URL'],
])('a module that %s is refused, by its URL', async (_, urlOf, message) => {
  const url = urlOf();
  await expect(loadModule(url)).rejects.toMatchObject({
    code: 'ERR_MODULE_INVALID',
    message: expect.stringContaining(message),
    details: { url },
  });
});

/** Node itself reads TypeScript from 22.18 on. */
const isNative = Boolean((process.features as { typescript?: unknown }).typescript);

test.skipIf(isNative)('TypeScript where nothing can read it is refused, naming the fix', async () => {
  const url = moduleWith('actor.ts', 'export default 1 as number;');
  await expect(loadModule(url)).rejects.toMatchObject({
    code: 'ERR_MODULE_INVALID',
    message: expect.stringMatching(/install tsx .*or compile it first/),
  });
});
