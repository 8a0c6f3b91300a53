/**
 * A cluster's nodes and leaders, played by hand for the orders that change them: every step that an order takes is
 * noted, and a test says which of them fail, and which never end.
 */
import { CodedError, type ErrorCode, type NodeId, seededRandom, systemClock } from '@quorate/core';
import { MemoryFileSystem, openNodeDirectory, readNodeDirectory } from '@quorate/storage';
import { type ClusterIdentity, openClusterDirectory } from '../../src/cluster/cluster-directory.ts';
import { EpochControl, type GroupClient } from '../../src/cluster/epoch-control.ts';
import type { LogIndex, Reign } from '../../src/protocol.ts';
import type { EpochChange, ReplicaStatus } from '../../src/replica/message.ts';

export const directory = '/cluster';

/** One group: what its members are in, and how its leader answers. */
class ScriptedGroup implements GroupClient {
  readonly #steps: Steps;
  readonly #number: number;
  /** Those who have no voice though the epoch names them: on a disk that it does not know. */
  readonly learners = new Set<NodeId>();
  readonly silent = new Set<NodeId>();
  /** Whether whoever waited for such news last is known to have let go. */
  readonly signals = new Map<string, AbortSignal | undefined>();
  epoch: NonNullable<GroupClient['epoch']>;

  constructor(number: number, steps: Steps, members: readonly NodeId[]) {
    this.#number = number;
    this.#steps = steps;
    this.epoch = { epoch: 1, algorithm: 'raft', acceptQuorum: undefined, members };
  }

  get statuses(): ReadonlyMap<NodeId, ReplicaStatus> {
    const told = this.epoch.members.filter((node) => !this.silent.has(node));
    return new Map(told.map((node) => [node, this.#status(node)]));
  }

  #status(node: NodeId): ReplicaStatus {
    const role = this.learners.has(node) ? 'learner' : 'follower';
    const [leader] = this.epoch.members;
    const index = 0 as LogIndex;
    const reign = 1 as Reign;
    const place = { reign, commitIndex: index, appliedIndex: index, position: 0, mailboxDepth: 0 };
    return { ...this.epoch, ...place, node, role, leader, failure: undefined };
  }

  leaderIn(_epoch: number, _deadlineMs: number, signal?: AbortSignal): Promise<void> {
    return this.#news(`leader ${this.#number}`, signal);
  }

  heardIn(node: NodeId, _deadlineMs: number, signal?: AbortSignal): Promise<void> {
    return this.#news(`heard ${this.#number} ${node}`, signal);
  }

  establishedIn(_epoch: number, _deadlineMs: number, signal?: AbortSignal): Promise<void> {
    return this.#news(`established ${this.#number}`, signal);
  }

  #news(step: string, signal: AbortSignal | undefined): Promise<void> {
    this.signals.set(step, signal);
    return this.#steps.take(step);
  }

  barrier(): Promise<void> {
    return this.#steps.take(`barrier ${this.#number}`);
  }

  async reconfigure(change: EpochChange): Promise<number> {
    const renewed = change.renewed.map((node) => ` ${node} anew`).join('');
    await this.#steps.take(`change ${this.#number}${renewed}`);
    return this.enter(change);
  }

  /** The change is carried out. */
  enter({ algorithm, acceptQuorum, members, renewed }: EpochChange): number {
    const epoch = this.epoch.epoch + 1;
    this.epoch = { epoch, algorithm, acceptQuorum, members };
    for (const node of renewed) this.learners.delete(node);
    return epoch;
  }
}

/** The steps that were taken, and what becomes of those to come. */
class Steps {
  readonly taken: string[] = [];
  readonly #plans = new Map<string, () => Promise<void>>();

  async take(step: string): Promise<void> {
    this.taken.push(step);
    await this.#plans.get(step)?.();
  }

  /** From now on that step fails. */
  fails(step: string, code: ErrorCode): void {
    this.#plans.set(step, () => Promise.reject(new CodedError(code, `${step} fails`, {})));
  }

  /** From now on that step does not end by itself. @returns what ends it */
  lasts(step: string): { end: () => void; fail: (code: ErrorCode) => void } {
    let end: () => void = () => undefined;
    let reject: (error: unknown) => void = () => undefined;
    const over = new Promise<void>((resolve, fail) => {
      end = resolve;
      reject = fail;
    });
    over.catch(() => undefined);
    this.#plans.set(step, () => over);
    return { end, fail: (code) => reject(new CodedError(code, `${step} was ended`, {})) };
  }

  /** From now on something happens at that step. */
  meets(step: string, event: () => void): void {
    this.#plans.set(step, async () => event());
  }

  succeeds(step: string): void {
    this.#plans.delete(step);
  }

  /** What was taken since this was last called. */
  fresh(): string[] {
    return this.taken.splice(0);
  }
}

/** As a disk has it: a folder is renamed with all that is in it. */
class FolderFileSystem extends MemoryFileSystem {
  readonly #steps: Steps;

  constructor(steps: Steps) {
    super();
    this.#steps = steps;
  }

  override async rename(from: string, to: string): Promise<void> {
    const inside = this.paths().filter((path) => path.startsWith(`${from}/`));
    if (inside.length > 0) await this.#steps.take(`set aside ${from.slice(directory.length + 1)}`);
    for (const path of inside) await super.rename(path, `${to}${path.slice(from.length)}`);
    const isFolder = inside.length > 0 || !this.paths().includes(from);
    if (!isFolder) await super.rename(from, to);
  }
}

/** Members a, b and c of so many groups, with their record in a directory that is in memory. */
export async function scriptedNodes(groups = 1) {
  const [a, b, c] = ['a', 'b', 'c'] as [NodeId, NodeId, NodeId];
  const members = [a, b, c];
  const steps = new Steps();
  const fileSystem = new FolderFileSystem(steps);
  const up = new Set<NodeId>(members);
  const warnings: string[] = [];
  let disks = 0;
  const clients = Array.from({ length: groups }, (_, number) => new ScriptedGroup(number, steps, members));
  const openDisk = (node: NodeId) => {
    disks += 1;
    const where = { fileSystem, directory: `${directory}/${node}`, clusterId: 'one', node };
    return openNodeDirectory({ ...where, random: seededRandom(disks) });
  };
  const begun = { clusterId: 'one', epoch: 1, algorithm: 'raft', groups, members, joining: [] };
  const { identity } = await openClusterDirectory(fileSystem, directory, begun);
  const epochs: EpochControl = new EpochControl({
    system: {
      get nodes() {
        return [...up];
      },
      isUp: (node) => up.has(node as NodeId),
      async kill(node) {
        await steps.take(`kill ${node}`);
        up.delete(node as NodeId);
      },
      async restart(node) {
        await steps.take(`restart ${node}`);
        up.add(node as NodeId);
        for (const client of clients) client.silent.add(node as NodeId);
      },
      async addNode(node) {
        up.add(node as NodeId);
        await steps.take(`add ${node}`);
      },
      async removeNode(node) {
        await steps.take(`remove ${node}`);
        up.delete(node as NodeId);
      },
    },
    client: (group) => clients[group] as ScriptedGroup,
    identity,
    storage: { fileSystem, directory },
    async openNode(node) {
      await steps.take(`open ${node}`);
      const expected = epochs.identity.disks?.[node];
      const found = await readNodeDirectory({ fileSystem, directory: `${directory}/${node}` });
      if (expected !== undefined && expected !== found?.diskId)
        throw new CodedError('ERR_LOG_CORRUPT', 'it is blank, or another disk', {});
      await openDisk(node);
      for (const client of clients) {
        client.silent.delete(node);
        if (expected === undefined) client.learners.add(node);
      }
      await epochs.noteDisk(node);
    },
    nodeRemoved: (node) => void steps.take(`forget ${node}`),
    clock: systemClock,
    warn: (message) => void warnings.push(message),
  });
  for (const node of members) {
    await openDisk(node);
    await epochs.noteDisk(node);
  }
  return {
    epochs,
    steps,
    clients: clients as readonly ScriptedGroup[],
    up,
    warnings,
    fileSystem,
    /** What the directory says of the cluster. */
    record: async (): Promise<ClusterIdentity> =>
      (await openClusterDirectory(fileSystem, directory, identity)).identity,
    /** The folders of nodes, and those that were set aside. */
    folders: async () => (await fileSystem.list(directory)).filter((name) => name !== 'cluster.json').sort(),
  };
}
