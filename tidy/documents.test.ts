/**
 * Documents do not rot: what they name exists. Files, functions, members, tests, error codes, links, and the programs
 * and command lines that a reader would copy.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { checkCommand } from '../packages/bench/src/commands/check.ts';
import { failoverCommand } from '../packages/bench/src/commands/failover.ts';
import { groupsCommand } from '../packages/bench/src/commands/groups.ts';
import { limitCommand } from '../packages/bench/src/commands/limit.ts';
import { runCommand } from '../packages/bench/src/commands/run.ts';
import { simCommand } from '../packages/bench/src/commands/sim.ts';
import { swapCommand } from '../packages/bench/src/commands/swap.ts';
import { protocolFolders } from './layers.ts';

const root = resolve(import.meta.dirname, '..');

/** All files and folders of the project, without what npm and the compiler put there. */
const paths = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
  (path) => !/(^|\/)(node_modules|dist|\.git|\.turbo)(\/|$)/.test(path),
);
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const documents = paths.filter((path) => path.endsWith('.md') && !path.includes('/test/'));

/** The paths that end in `name`, as a reader would look for it; one that stands in the root is meant exactly. */
function found(name: string): string[] {
  const exact = paths.filter((path) => path === name);
  return exact.length > 0 ? exact : paths.filter((path) => path.endsWith(`/${name}`));
}

/** What stands between backticks, outside of blocks of code. */
function spans(text: string): string[] {
  const prose = text.replaceAll(/^```[\s\S]*?^```/gm, '');
  return [...prose.matchAll(/`([^`\n]+)`/g)].map((match) => match[1] as string);
}

/** The lines of shell in blocks of code, and the commands that stand in the prose. */
function commands(text: string): string[] {
  const blocks = [...text.matchAll(/^ *```sh\n([\s\S]*?)^ *```/gm)].flatMap((match) =>
    (match[1] as string).split('\n'),
  );
  return [...blocks, ...spans(text)].map((line) => line.replace(/ #.*$/, '').trim());
}

function declares(source: string, name: string): boolean {
  const escaped = name.replaceAll(/[$]/g, '\\$&');
  const declaration = new RegExp(
    `(?:function\\*?|class|const|interface|type) ${escaped}\\b|^  (?:readonly |static |async |get |\\*)*${escaped}(?:<[^(]*>)?[(:]`,
    'm',
  );
  return declaration.test(source);
}

/** What is wrong in any of the documents, each with where it stands. */
function inAll(wrongIn: (text: string, path: string) => readonly string[]): string[] {
  return documents.flatMap((path) => wrongIn(read(path), path).map((what) => `${path}: ${what}`));
}

/** How headings are named in links. */
function anchors(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map((match) =>
    (match[1] as string)
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

/** Line breaks and indentation are the document's own. */
const withoutLayout = (code: string): string => code.replaceAll(/\s+/g, ' ').trim();

test('every block of TypeScript is run: it stands, part by part, in one example or test', () => {
  const programs = paths.filter((path) => /^(examples\/.*|packages\/\w+\/test\/.*)\.ts$/.test(path));
  const run = programs.map((path) => withoutLayout(read(path)));
  const blocksOf = (text: string): string[] =>
    [...text.matchAll(/^ *```ts\n([\s\S]*?)^ *```/gm)].map((match) => match[1] as string);
  expect(documents.flatMap((path) => blocksOf(read(path))).length).toBeGreaterThan(5);
  const notRun = inAll((text) =>
    blocksOf(text).filter((block) => {
      const parts = block.split(/\n\s*\n/).map(withoutLayout);
      return !run.some((program) => parts.every((part) => program.includes(part)));
    }),
  );
  expect(notRun).toEqual([]);
});

test('every link leads somewhere', () => {
  const dead = inAll((text, path) => {
    const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] as string);
    return targets.filter((target) => {
      if (/^https?:/.test(target)) return false;
      const [file = '', anchor] = target.split('#');
      const at = file === '' ? path : join(dirname(path), file);
      if (!paths.includes(at.replace(/\/$/, ''))) return true;
      return anchor !== undefined && !anchors(read(at)).includes(anchor);
    });
  });
  expect(dead).toEqual([]);
});

test('every file and folder that is named exists', () => {
  const missing = inAll((text) =>
    spans(text)
      .filter((span) => /^[\w@][\w@./-]*(\.(ts|md)|\/)$/.test(span))
      .filter((name) => found(name.replace(/\/$/, '')).length === 0),
  );
  expect(missing).toEqual([]);
});

test('every member of a class that is named exists', () => {
  const sources = paths.filter((file) => /^packages\/\w+\/src\/.*\.ts$/.test(file)).map(read);
  const missing = inAll((text) =>
    spans(text)
      .filter((span) => /^[A-Z]\w+\.#?[a-z]\w+$/.test(span) && !/\.(md|ts)$/.test(span))
      .filter((span) => {
        const [type = '', member = ''] = span.split('.');
        return !sources.some((source) => declares(source, type) && declares(source, member));
      }),
  );
  expect(missing).toEqual([]);
});

test('every error code that is named exists', () => {
  const codes = read('packages/core/src/coded-error.ts');
  const missing = inAll((text) =>
    [...text.matchAll(/\bERR_[A-Z_]+\b/g)]
      .map(([code]) => code)
      .filter((code) => !codes.includes(`  ${code}: `)),
  );
  expect(missing).toEqual([]);
});

test('every command line that is given is understood', () => {
  const wrong = inAll((text) => commands(text).flatMap(misunderstood));
  expect(documents.flatMap((path) => commands(read(path))).filter(isOfBench).length).toBeGreaterThan(20);
  expect(wrong).toEqual([]);
});

const benchCommands = [
  checkCommand(),
  failoverCommand(),
  groupsCommand(),
  limitCommand(),
  runCommand(),
  simCommand(),
  swapCommand(),
];
const benchLine = new RegExp(
  `(?:quorate-bench |^)(${benchCommands.map((command) => command.name()).join('|')})\\b(.*)$`,
);
const isOfBench = (line: string): boolean => benchLine.test(line);

/** What a reader who copies `line` would be told. */
function misunderstood(line: string): string[] {
  const wrong: string[] = [];
  for (const word of line.split(' ').filter((part) => part.startsWith('packages/')))
    if (!paths.includes(word.replace(/[/:]$/, ''))) wrong.push(`${line}: no ${word}`);
  const [, name, rest = ''] = line.match(benchLine) ?? [];
  if (name === undefined) return wrong;
  const known = benchCommands.find((command) => command.name() === name)?.options.map(({ long }) => long);
  for (const [option] of rest.matchAll(/--[a-z-]+/g))
    if (option !== '--help' && known?.includes(option) !== true) wrong.push(`${line}: no ${option}`);
  const [, scenario = 'all'] = rest.match(/--scenario ([\w-]+)/) ?? [];
  const isScenario =
    ['all', 'list', 'NAME'].includes(scenario) || found(`scenarios/${scenario}.txt`).length > 0;
  return isScenario ? wrong : [...wrong, `${line}: no such scenario`];
}

const rules = read('docs/RULES.md')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !/^\| (rule|property) \|/.test(line));

/** The one source or test that a row of the rules means; both are looked for in the package of the protocols first. */
function inRules(name: string): string | undefined {
  const places = [`packages/consensus/src/${name}`, `packages/consensus/test/${name}`, name];
  return places.find((place) => paths.includes(place) && statSync(join(root, place)).isFile());
}

test('every function and test in the table of rules exists', () => {
  const wrong: string[] = [];
  for (const row of rules) {
    for (const [, names = '', path = ''] of row.matchAll(/((?:`[^`]+`, )*`[^`]+`) in `([^`]+)`/g)) {
      const file = inRules(path);
      const source = file === undefined ? '' : read(file);
      for (const name of spans(names)) if (!declares(source, name)) wrong.push(`${name} in ${path}`);
    }
    for (const [, path = '', title = ''] of row.matchAll(/`([\w./-]+\.test\.ts)`(?:: "(.*?)" [|;])?/g)) {
      const file = inRules(path);
      if (file === undefined || !read(file).includes(title)) wrong.push(`"${title}" in ${path}`);
    }
    if (!/\.test\.ts`|`sim --scenario/.test(row)) wrong.push(`no test: ${row}`);
  }
  expect(rules.length).toBeGreaterThan(50);
  expect(wrong).toEqual([]);
});

test('every function of a protocol that cites a paper stands in the table of rules', () => {
  const files = paths.filter((path) => protocolFolders.some((folder) => path.startsWith(`${folder}/`)));
  const citing = files.flatMap((path) =>
    [...read(path).matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*(?:export )?function (\w+)/g)]
      .filter((match) => /\[(Raft|Paxos|Lampson|Flexible)/.test(match[1] as string))
      .map((match) => ({ name: match[2] as string, path, folder: basename(dirname(path)) })),
  );
  expect(citing.length).toBeGreaterThan(20);
  const missing = citing.filter(({ name, path, folder }) => {
    const file = `${folder}/${basename(path)}`;
    return !rules.some((row) =>
      [...row.matchAll(/((?:`[^`]+`, )*`[^`]+`) in `([^`]+)`/g)].some(
        (match) => match[2] === file && spans(match[1] as string).includes(name),
      ),
    );
  });
  expect(missing).toEqual([]);
});

/** What a package's entries export by name, with the file that declares it; a file that passes on is followed. */
function exported(entry: string): { readonly name: string; readonly file: string }[] {
  const passedOn = [...read(entry).matchAll(/export (?:type )?(\{[^}]*\}|\*) from '([^']+)'/g)];
  return passedOn.flatMap(([, names = '', target = '']) => {
    const file = join(dirname(entry), target);
    if (names === '*') return declaredIn(file).map((name) => ({ name, file }));
    return namesIn(names).flatMap((name) => {
      const further = exported(file).find((one) => one.name === name);
      return further ?? { name, file };
    });
  });
}

function namesIn(braces: string): string[] {
  const names = braces.replaceAll(/[{}]|\btype /g, '').split(',');
  return names.map((name) => name.trim().split(' as ')[0] as string).filter((name) => name !== '');
}

function declaredIn(file: string): string[] {
  const declarations = read(file).matchAll(
    /^export (?:async )?(?:function\*?|class|const|interface|type) (\w+)/gm,
  );
  return [...declarations].map((match) => match[1] as string);
}

test('everything that a package exports says what it is', () => {
  const entries = paths.filter((path) =>
    /^packages\/\w+\/src\/((conformance|synod)\/)?index\.ts$/.test(path),
  );
  const all = entries.flatMap(exported);
  expect(all.length).toBeGreaterThan(150);
  const silent = all.filter(({ name, file }) => {
    const declaration = `export (?:async )?(?:function\\*?|class|const|interface|type) ${name}\\b`;
    return !new RegExp(`\\*/\\n(?:// biome[^\\n]*\\n)?${declaration}`).test(read(file));
  });
  expect(silent.map(({ name, file }) => `${name} in ${file}`)).toEqual([]);
});
