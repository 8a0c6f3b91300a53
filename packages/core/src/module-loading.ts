/**
 * Module loading: the app's modules, named by URL because a closure cannot cross a thread.
 *
 * TypeScript is loaded as it is if tsx is installed beside the module (or Node itself strips types):
 * fine for work on an app, while what is shipped is compiled.
 */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { CodedError, messageOf } from './coded-error.ts';

const isTypeScript = /\.[mc]?tsx?$/;

let tsxRegistration: Promise<void> | undefined;

/**
 * Imports the module at `url`.
 * @throws CodedError `ERR_MODULE_INVALID`, with the URL, if it is missing, fails to load, or is
 *   TypeScript and nothing here can read that
 */
export async function loadModule(url: string): Promise<Readonly<Record<string, unknown>>> {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw moduleInvalid(url, 'is not a URL; use new URL("./module.js", import.meta.url)');
  }
  if (isTypeScript.test(parsed.pathname)) {
    tsxRegistration ??= registerTsx(url);
    await tsxRegistration;
  }
  try {
    return await import(url);
  } catch (cause) {
    throw moduleInvalid(url, `cannot be loaded: ${messageOf(cause)}`, cause);
  }
}

/** An `ERR_MODULE_INVALID` about the module at `url`. */
export function moduleInvalid(url: string, why: string, cause?: unknown): CodedError {
  return new CodedError('ERR_MODULE_INVALID', `module ${url} ${why}`, { url }, { cause });
}

/** Teaches this thread to import TypeScript, once. */
async function registerTsx(url: string): Promise<void> {
  let api: { register(): unknown };
  try {
    api = await import(tsxApiBeside(url));
  } catch (cause) {
    if ((process.features as { typescript?: unknown }).typescript) return;
    tsxRegistration = undefined;
    throw moduleInvalid(url, 'is TypeScript: install tsx (npm install tsx), or compile it first', cause);
  }
  api.register();
}

/**
 * The URL of tsx's API as the module at `url` would import it. `require` alone would find the CommonJS
 * edition, which cannot register hooks for imports; `import` would look beside this file instead.
 */
function tsxApiBeside(url: string): string {
  const requireFrom = createRequire(url.startsWith('file:') ? url : import.meta.url);
  const manifestPath = requireFrom.resolve('tsx/package.json');
  const { exports } = requireFrom(manifestPath) as TsxManifest;
  return new URL(exports['./esm/api'].import.default, pathToFileURL(manifestPath)).href;
}

interface TsxManifest {
  readonly exports: { readonly './esm/api': { readonly import: { readonly default: string } } };
}
