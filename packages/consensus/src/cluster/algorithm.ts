/**
 * The algorithms by name: ours, or a third one by the URL of its module.
 */
import { CodedError, messageOf, optionInvalid } from '@quorate/core';
import { multiPaxos } from '../multi-paxos/multi-paxos.ts';
import type { Protocol } from '../protocol.ts';
import { raft } from '../raft/raft.ts';

const builtIn = { raft, 'multi-paxos': multiPaxos } as const;

/** The names of the algorithms that are built in. */
export const algorithms = Object.keys(builtIn) as readonly (keyof typeof builtIn)[];

/** @throws CodedError ERR_OPTION_INVALID unless `algorithm` is one of ours or an absolute URL */
export function checkAlgorithm(algorithm: unknown): string {
  if (algorithm instanceof URL) return algorithm.href;
  if (typeof algorithm === 'string' && (Object.hasOwn(builtIn, algorithm) || isModuleUrl(algorithm)))
    return algorithm;
  throw optionInvalid('algorithm', algorithm, `${algorithms.join(', ')}, or the file: URL of a module`);
}

/** @throws CodedError ERR_MODULE_INVALID when a module cannot be loaded or exports no protocol */
export async function loadProtocol(algorithm: string): Promise<Protocol<unknown, unknown>> {
  if (Object.hasOwn(builtIn, algorithm)) return builtIn[algorithm as keyof typeof builtIn];
  let loaded: { readonly default?: unknown };
  try {
    loaded = await import(algorithm);
  } catch (error) {
    throw new CodedError('ERR_MODULE_INVALID', `${algorithm} cannot be loaded: ${messageOf(error)}`, {
      module: algorithm,
    });
  }
  const candidate = loaded.default as Partial<Protocol<unknown, unknown>> | undefined;
  const missing = protocolFunctions.filter((name) => typeof candidate?.[name] !== 'function');
  if (missing.length === 0) return candidate as Protocol<unknown, unknown>;
  const why = `the default export is not a protocol: it has no function ${missing.join(', ')}`;
  throw new CodedError('ERR_MODULE_INVALID', `${algorithm}: ${why}`, { module: algorithm, missing });
}

/** What every protocol has. One that lacked some would be missed only when the epoch before has ended. */
const protocolFunctions = [
  'start',
  'step',
  'status',
  'foundingHardState',
  'committedFrom',
  'encodeMessage',
  'decodeMessage',
  'inspect',
] as const satisfies readonly (keyof Protocol<unknown, unknown>)[];

function isModuleUrl(text: string): boolean {
  return text.startsWith('file:') && URL.canParse(text);
}
