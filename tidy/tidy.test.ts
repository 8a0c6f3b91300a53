/** What a reviewer would otherwise have to remember: held by a test over the sources themselves. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bannedInProtocols, bannedNames, fileLinesMax, mayImport, protocolFolders } from './layers.ts';

const root = resolve(import.meta.dirname, '..');

interface Source {
  readonly path: string;
  readonly text: string;
  readonly code: string;
  readonly imports: readonly string[];
}

function filesBelow(folder: string, extension: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(extension) && !/(^|\/)(node_modules|dist)\//.test(name))
    .map((name) => join(folder, name))
    .sort();
}

function read(path: string): Source {
  const text = readFileSync(join(root, path), 'utf8');
  // Comments may speak of anything; only code is held to the bans.
  const code = text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '');
  const statements = /^(?:import|export)\b[^;']*?from '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm;
  const imports = [...code.matchAll(statements)].map((match) => (match[1] ?? match[2] ?? match[3]) as string);
  const urls = [...code.matchAll(/new URL\('(\.[^']+\.js)', import\.meta\.url\)/g)].map(
    (match) => match[1] as string,
  );
  return { path, text, code, imports: [...imports, ...urls] };
}

/** What a package lets others reach: its `exports`, and the command. */
function entryPoints(name: string): string[] {
  const { exports } = JSON.parse(readFileSync(join(root, `packages/${name}/package.json`), 'utf8'));
  const entries = Object.values<{ readonly 'quorate-source': string }>(exports);
  return [...entries.map((entry) => entry['quorate-source']), 'src/cli.ts'].map((path) =>
    join('packages', name, path),
  );
}

const packages = Object.keys(mayImport);
const sources = packages.flatMap((name) => filesBelow(`packages/${name}/src`, '.ts')).map(read);
const tests = packages.flatMap((name) => filesBelow(`packages/${name}/test`, '.ts')).map(read);

describe('layers', () => {
  test.each(packages)('%s imports only what lies below it', (name) => {
    const allowed = [name, ...(mayImport[name] ?? [])];
    const wrong = sources
      .filter(({ path }) => path.startsWith(`packages/${name}/`))
      .flatMap(({ path, imports }) => imports.map((target) => ({ path, target })))
      .filter(({ target }) => target.startsWith('@quorate/'))
      .filter(({ target }) => !allowed.includes(target.split('/')[1] ?? ''));
    expect(wrong).toEqual([]);
  });

  test('no file reaches into another package by a path', () => {
    const wrong = sources.flatMap(({ path, imports }) =>
      imports
        .filter((target) => target.startsWith('.'))
        .map((target) => relative(root, resolve(root, dirname(path), target)))
        .filter((target) => !target.startsWith(path.split('/').slice(0, 3).join('/')))
        .map((target) => `${path} -> ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  test('a package declares every dependency that it imports, and imports every one that it declares', () => {
    for (const name of packages) {
      const manifest = JSON.parse(readFileSync(join(root, `packages/${name}/package.json`), 'utf8'));
      const declared = Object.keys(manifest.dependencies ?? {}).sort();
      const used = new Set(
        sources
          .filter(({ path }) => path.startsWith(`packages/${name}/`))
          .flatMap(({ imports }) => imports)
          .filter((target) => !target.startsWith('.') && !target.startsWith('node:'))
          .map((target) => target.match(/(@[\w-]+\/[\w.-]+|[\w-][\w.-]*)/)?.[0] ?? ''),
      );
      const undeclared = [...used].filter(
        (target) =>
          /^(@quorate\/|[a-z])/.test(target) && target !== `@quorate/${name}` && !declared.includes(target),
      );
      expect({ name, undeclared: undeclared.filter((target) => target !== 'tsx') }).toEqual({
        name,
        undeclared: [],
      });
    }
  });
});

test('the lock knows where the command stands, so that npm links it', () => {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const manifest = JSON.parse(readFileSync(join(root, 'packages/bench/package.json'), 'utf8'));
  const [command] = Object.values(manifest.bin) as string[];
  expect(Object.values(lock.packages['packages/bench'].bin)).toEqual([command?.replace('./', '')]);
});

describe('protocols are pure', () => {
  const protocolSources = sources.filter(({ path }) =>
    protocolFolders.some((folder) => path.startsWith(folder)),
  );

  test('there are protocols to look at', () => expect(protocolSources.length).toBeGreaterThan(10));

  test.each(bannedInProtocols.map((pattern) => [String(pattern), pattern] as const))(
    'none has %s',
    (_, pattern) => {
      expect(protocolSources.filter(({ code }) => pattern.test(code)).map(({ path }) => path)).toEqual([]);
    },
  );
});

describe('files', () => {
  test('no name hides what has no name', () => {
    const named = [...sources, ...tests].filter(({ path }) =>
      path.split('/').some((part) => bannedNames.includes(basename(part, '.ts'))),
    );
    expect(named.map(({ path }) => path)).toEqual([]);
  });

  test(`no source is longer than ${fileLinesMax} lines`, () => {
    const long = sources.filter(({ text }) => text.split('\n').length > fileLinesMax).map(({ path }) => path);
    expect(long).toEqual([]);
  });

  test('every source opens by saying what it is', () => {
    const silent = sources.filter(({ text }) => !/^(#!.*\n)?\/\*\*/.test(text)).map(({ path }) => path);
    expect(silent).toEqual([]);
  });

  test('every source is reached from an entry point', () => {
    const byPath = new Map(sources.map((source) => [source.path, source]));
    const entries = packages.flatMap(entryPoints).filter((path) => byPath.has(path));
    const reached = new Set<string>();
    const queue = [...entries];
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
      if (reached.has(path)) continue;
      reached.add(path);
      for (const target of byPath.get(path)?.imports ?? []) {
        if (!target.startsWith('.')) continue;
        queue.push(relative(root, resolve(root, dirname(path), target)).replace(/\.js$/, '.ts'));
      }
    }
    expect(
      sources.map(({ path }) => path).filter((path) => !reached.has(path) && !path.endsWith('.d.ts')),
    ).toEqual([]);
  });
});

describe('prose', () => {
  const documents = ['README.md', ...filesBelow('docs', '.md')].map(read);

  test('every citation key resolves in docs/REFERENCES.md', () => {
    const references = readFileSync(join(root, 'docs/REFERENCES.md'), 'utf8');
    const keys = new Set([...references.matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1] as string));
    const cited = [...sources, ...tests, ...documents].flatMap(({ path, text }) =>
      [...text.matchAll(/\[([A-Z][A-Za-z]+)(?: (?:§|fig\.|p\.|ch\.|#)[^\]]*)?\](?!\()/g)]
        .map((match) => match[1] as string)
        .filter((key) => /^(Raft|Paxos|[A-Z][a-z]+[A-Z])/.test(key))
        .map((key) => ({ key, path })),
    );
    expect(cited.length).toBeGreaterThan(20);
    expect(cited.filter(({ key }) => !keys.has(key))).toEqual([]);
  });
});
