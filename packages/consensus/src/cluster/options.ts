/**
 * The options of a cluster, and the check that they make sense together.
 */
import { isName, type NodeId, optionInvalid } from '@quorate/core';
import { groupsMax } from '../replica/alive-message.ts';
import { defaultTuning, type ReplicaTuning } from '../replica/tuning.ts';
import { checkAlgorithm } from './algorithm.ts';

/** Where nodes keep what they must not forget. */
export interface ClusterStorage {
  /** Holds a folder for each node; made if it does not exist. Belongs to one process at a time. */
  readonly directory: string;
  /**
   * A folder where each node writes down every call to its disk, with times: the evidence that nothing
   * is acknowledged before it is durable. Costs time; meant for audits.
   */
  readonly traceDirectory?: string;
}

/** What {@link Cluster.start} is given. Another value than allowed is `ERR_OPTION_INVALID`, and so is another name. */
export interface ClusterOptions {
  /** `raft`, `multi-paxos`, or the URL of a module with a protocol. Default `raft`. */
  readonly algorithm?: string | URL;
  /**
   * With `multi-paxos`: how many acceptances choose a value. Fewer than a majority make writes wait for fewer
   * disks, and elections for more. Default: a majority.
   */
  readonly acceptQuorum?: number;
  /** How many nodes (1 to 31, named `a`, `b`, ...), or their names. Default 3. */
  readonly nodes?: number | readonly string[];
  /**
   * How many groups, 1 to 4096: state machines that are replicated each for itself, by the same nodes, over one
   * log and one set of links. Default 1. What a directory began with stays.
   */
  readonly groups?: number;
  /** The module whose default export is the state machine; loaded inside every node. */
  readonly stateMachine: URL;
  /** In memory, a node whose thread ends has forgotten what it promised: it comes back by `replace` only. */
  readonly storage: 'memory' | ClusterStorage;
  /** A follower that hears no leader for a time drawn from [min, max) stands; 10 <= min < max <= 600,000. Default [150, 300]. */
  readonly electionTimeoutMs?: readonly [min: number, max: number];
  /** How often a leader is heard from; 1 to half of the shortest election timeout. Default 50. */
  readonly heartbeatMs?: number;
  /**
   * Whether the end of a node's thread, which the system sees at once, may start an election and be told to
   * clients. Off, a dead leader is missed like one on another machine: by its silence. Default true.
   */
  readonly peerDownHints?: boolean;
  /** Payload bytes applied between two snapshots; 4 KiB to 1 GiB. Default 64 MiB. */
  readonly snapshotEveryBytes?: number;
  /** Size of one file of the log; 4 KiB to 1 GiB. Default 64 MiB. */
  readonly segmentBytes?: number;
  /**
   * How long `Cluster.start` waits for a majority of the nodes to recover what is on their disks; whole milliseconds,
   * 1,000 to 86,400,000. A long log takes long. Default 60,000.
   */
  readonly startTimeoutMs?: number;
  /** How long `stop` may take; whole milliseconds, 1,000 to 600,000. Default 10,000. */
  readonly stopTimeoutMs?: number;
}

export interface CheckedOptions {
  readonly algorithm: string;
  readonly acceptQuorum: number | undefined;
  readonly members: readonly NodeId[];
  readonly groups: number;
  readonly stateMachine: URL;
  readonly storage: 'memory' | ClusterStorage;
  readonly tuning: ReplicaTuning;
  readonly startTimeoutMs: number;
  readonly stopTimeoutMs: number;
}

const membersMax = 31;
const optionNames = new Set([
  'algorithm',
  'nodes',
  'acceptQuorum',
  'groups',
  'stateMachine',
  'storage',
  'electionTimeoutMs',
  'heartbeatMs',
  'peerDownHints',
  'snapshotEveryBytes',
  'segmentBytes',
  'startTimeoutMs',
  'stopTimeoutMs',
]);

/** @throws CodedError ERR_OPTION_INVALID, naming the option, its value and what is allowed */
export function checkOptions(options: ClusterOptions): CheckedOptions {
  if (typeof options !== 'object' || options === null) {
    throw optionInvalid('options', options, `an object with ${[...optionNames].join(', ')}`);
  }
  for (const name of Object.keys(options)) {
    if (!optionNames.has(name)) throw optionInvalid(name, '(given)', [...optionNames].join(', '));
  }
  const algorithm = checkAlgorithm(options.algorithm ?? 'raft');
  const members = checkNodes('nodes', options.nodes ?? 3);
  return {
    algorithm,
    acceptQuorum: checkAcceptQuorum(options.acceptQuorum, { algorithm, members }),
    members,
    groups: checkGroups(options.groups ?? 1),
    stateMachine: checkModule(options.stateMachine),
    storage: checkStorage(options.storage),
    tuning: checkTuning(options),
    startTimeoutMs: checkTimeout('startTimeoutMs', options.startTimeoutMs ?? 60_000, 86_400_000),
    stopTimeoutMs: checkTimeout('stopTimeoutMs', options.stopTimeoutMs ?? 10_000, 600_000),
  };
}

/** @throws CodedError ERR_OPTION_INVALID */
export function checkAcceptQuorum(
  acceptQuorum: unknown,
  { algorithm, members }: { readonly algorithm: string; readonly members: readonly NodeId[] },
): number | undefined {
  if (acceptQuorum === undefined) return undefined;
  if (algorithm === 'raft') {
    throw optionInvalid('acceptQuorum', acceptQuorum, 'no value: Raft commits by majority');
  }
  const isSize = Number.isInteger(acceptQuorum) && (acceptQuorum as number) >= 1;
  if (isSize && (acceptQuorum as number) <= members.length) return acceptQuorum as number;
  throw optionInvalid('acceptQuorum', acceptQuorum, `a whole number in 1..${members.length}`);
}

function checkGroups(groups: unknown): number {
  if (Number.isInteger(groups) && (groups as number) >= 1 && (groups as number) <= groupsMax)
    return groups as number;
  throw optionInvalid('groups', groups, `a whole number in 1..${groupsMax}`);
}

/** How many nodes, or their names; sorted. @throws CodedError ERR_OPTION_INVALID */
export function checkNodes(option: string, nodes: unknown): NodeId[] {
  const allowed = `a whole number in 1..${membersMax}, or as many different names`;
  if (typeof nodes === 'number') {
    if (!Number.isInteger(nodes) || nodes < 1 || nodes > membersMax)
      throw optionInvalid(option, nodes, allowed);
    return Array.from({ length: nodes }, (_, at) => nameOf(at) as NodeId);
  }
  if (!Array.isArray(nodes) || nodes.length < 1 || nodes.length > membersMax)
    throw optionInvalid(option, nodes, allowed);
  for (const name of nodes) {
    if (!isName(name) || name === clientNodeName) {
      throw optionInvalid(option, name, `names of letters, digits and . _ - other than ${clientNodeName}`);
    }
  }
  if (new Set(nodes).size !== nodes.length) throw optionInvalid(option, nodes.join(','), 'different names');
  return [...(nodes as NodeId[])].sort();
}

/** The app's own thread takes part under this name. */
export const clientNodeName = 'app';

/** a to z, then n27, n28, ... which sort after them in no order that matters. */
function nameOf(at: number): string {
  return at < 26 ? String.fromCharCode(97 + at) : `n${at + 1}`;
}

function checkModule(module: unknown): URL {
  if (module instanceof URL) return module;
  throw optionInvalid('stateMachine', module, "a URL, as from new URL('./machine.js', import.meta.url)");
}

function checkStorage(storage: unknown): 'memory' | ClusterStorage {
  if (storage === 'memory') return storage;
  const { directory, traceDirectory } = (storage ?? {}) as Partial<ClusterStorage>;
  if (traceDirectory !== undefined && !isPath(traceDirectory)) {
    throw optionInvalid('storage.traceDirectory', traceDirectory, 'a path');
  }
  if (isPath(directory)) return storage as ClusterStorage;
  throw optionInvalid('storage', storage, "'memory' or { directory: 'a path' }");
}

function isPath(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0;
}

function checkTuning(options: ClusterOptions): ReplicaTuning {
  const electionTimeoutMs = options.electionTimeoutMs ?? defaultTuning.electionTimeoutMs;
  const heartbeatMs = options.heartbeatMs ?? defaultTuning.heartbeatMs;
  const [min, max] = Array.isArray(electionTimeoutMs) ? electionTimeoutMs : [Number.NaN, Number.NaN];
  if (!(min >= 10 && max > min && max <= 600_000)) {
    throw optionInvalid(
      'electionTimeoutMs',
      String(electionTimeoutMs),
      '[min, max] with 10 <= min < max <= 600000',
    );
  }
  if (!(heartbeatMs >= 1 && heartbeatMs <= min / 2)) {
    throw optionInvalid(
      'heartbeatMs',
      heartbeatMs,
      `1 to half of the shortest election timeout (${min / 2})`,
    );
  }
  return {
    ...defaultTuning,
    electionTimeoutMs,
    heartbeatMs,
    peerDownHints: checkFlag('peerDownHints', options.peerDownHints, defaultTuning.peerDownHints),
    snapshotEveryBytes: checkBytes(
      'snapshotEveryBytes',
      options.snapshotEveryBytes,
      defaultTuning.snapshotEveryBytes,
    ),
    segmentBytes: checkBytes('segmentBytes', options.segmentBytes, defaultTuning.segmentBytes),
  };
}

function checkTimeout(option: string, timeoutMs: number, maxMs: number): number {
  if (Number.isSafeInteger(timeoutMs) && timeoutMs >= 1_000 && timeoutMs <= maxMs) return timeoutMs;
  throw optionInvalid(option, timeoutMs, `a whole number of milliseconds in 1000..${maxMs}`);
}

function checkFlag(option: string, value: boolean | undefined, byDefault: boolean): boolean {
  const flag = value ?? byDefault;
  if (typeof flag === 'boolean') return flag;
  throw optionInvalid(option, flag, 'true or false');
}

/** What the log allows for one of its files, and more than a snapshot should wait for. */
const bytesMax = 2 ** 30;

function checkBytes(option: string, value: number | undefined, byDefault: number): number {
  const bytes = value ?? byDefault;
  if (Number.isSafeInteger(bytes) && bytes >= 4_096 && bytes <= bytesMax) return bytes;
  throw optionInvalid(option, bytes, `a whole number of bytes in 4096..${bytesMax}`);
}
