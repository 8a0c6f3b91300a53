/**
 * Changes of the epoch, as the app orders them: another algorithm, other members, a member on a new disk.
 *
 * Whoever joins is started first, without a voice, and learns; then the leader ends the epoch; then whoever
 * has left is stopped. The directory names each node before it has a folder, so that a crash at any point leaves
 * nothing that a restart would misunderstand.
 */
import { type ActorSystem, CodedError, hasCode, type NodeId, optionInvalid } from '@quorate/core';
import type { FileSystem } from '@quorate/storage';
import { checkAlgorithm } from './algorithm.ts';
import type { Client } from './client.ts';
import { type ClusterIdentity, noteDisks, setFolderAside, writeIdentity } from './cluster-directory.ts';
import { checkAcceptQuorum, checkNodes } from './options.ts';
import { type CallOptions, callTimeoutMsDefault } from './waiting-call.ts';

/** What shall be different; what is not named stays as it is. */
export interface EpochOrder {
  readonly algorithm?: string | URL;
  /** Acceptances that choose a value, see `ClusterOptions`; undefined for a majority. */
  readonly acceptQuorum?: number;
  /** The names of all members from then on. */
  readonly members?: readonly string[];
}

export interface EpochControlParts {
  readonly system: ActorSystem;
  readonly client: Client;
  readonly identity: ClusterIdentity;
  /** Undefined when nodes keep their data in memory. */
  readonly storage: { readonly fileSystem: FileSystem; readonly directory: string } | undefined;
  /** Opens the replica of a node whose thread is up. */
  readonly spawnReplica: (node: NodeId) => Promise<void>;
  readonly nowMs: () => number;
  readonly warn: (message: string) => void;
}

const orderNames = ['algorithm', 'acceptQuorum', 'members'];

export class EpochControl {
  readonly #parts: EpochControlParts;
  #identity: ClusterIdentity;
  /** One change after the other. */
  #underWay: Promise<unknown> = Promise.resolve();

  constructor(parts: EpochControlParts) {
    this.#parts = parts;
    this.#identity = parts.identity;
  }

  get identity(): ClusterIdentity {
    return this.#identity;
  }

  /** All nodes that are to run, with a voice or without. */
  get nodes(): readonly NodeId[] {
    return [...this.#identity.members, ...this.#identity.joining];
  }

  /** See `Cluster.reconfigure`. */
  reconfigure(order: EpochOrder, options: CallOptions): Promise<number> {
    for (const name of Object.keys(order)) {
      if (!orderNames.includes(name)) throw optionInvalid(name, '(given)', orderNames.join(', '));
    }
    return this.#inTurn(() => this.#reconfigure(order, options));
  }

  /** See `Cluster.replace`. */
  replace(node: string, options: CallOptions): Promise<number> {
    return this.#inTurn(() => this.#replace(node, options));
  }

  /** The disks of all nodes that have one by now. */
  async noteDisks(): Promise<void> {
    const { storage } = this.#parts;
    if (storage === undefined) return;
    this.#identity = await noteDisks(storage.fileSystem, storage.directory, this.#identity);
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#underWay.then(task, task);
    this.#underWay = turn.catch(() => undefined);
    return turn;
  }

  async #reconfigure(order: EpochOrder, options: CallOptions): Promise<number> {
    const deadlineMs = this.#deadlineMs(options);
    const present = await this.#present(deadlineMs);
    const algorithm = order.algorithm === undefined ? present.algorithm : checkAlgorithm(order.algorithm);
    const members = order.members === undefined ? present.members : checkNodes('members', [...order.members]);
    const acceptQuorum = checkAcceptQuorum(order.acceptQuorum, { algorithm, members });
    const joiners = members.filter((node) => !this.nodes.includes(node));
    await this.#admit(joiners);
    const change = { fromEpoch: present.epoch, algorithm, acceptQuorum, members, renewed: [] };
    let epoch: number;
    try {
      epoch = await this.#parts.client.reconfigure(change, this.#remaining(options, deadlineMs));
    } catch (error) {
      // Where it may have happened, the joiners may be voters by now.
      if (!hasCode(error, 'ERR_OUTCOME_UNKNOWN')) await this.#dismiss(joiners);
      throw error;
    }
    // The joiners are voters from here on, however long it takes until the epoch is served.
    await this.#settle({ epoch, algorithm, acceptQuorum, members }, deadlineMs);
    return epoch;
  }

  async #replace(name: string, options: CallOptions): Promise<number> {
    const deadlineMs = this.#deadlineMs(options);
    const present = await this.#present(deadlineMs);
    const node = name as NodeId;
    if (!present.members.includes(node)) {
      throw optionInvalid('node', name, `a member: ${present.members.join(', ')}`);
    }
    const { system, storage, spawnReplica, client, warn } = this.#parts;
    await this.#ended(node, system.kill(node), deadlineMs);
    const { [node]: _, ...disks } = this.#identity.disks ?? {};
    const { members: voters, joining } = this.#identity;
    await this.#write({
      ...this.#identity,
      disks,
      members: voters.filter((other) => other !== node),
      joining: [...joining.filter((other) => other !== node), node],
    });
    if (storage !== undefined) {
      const aside = await setFolderAside(storage.fileSystem, storage.directory, node);
      if (aside !== undefined) warn(`what node ${node} had is kept in ${aside}`);
    }
    await system.restart(node, { respawn: false });
    await spawnReplica(node);
    await this.noteDisks();
    const { algorithm, acceptQuorum, members } = { acceptQuorum: this.#identity.acceptQuorum, ...present };
    const change = { fromEpoch: present.epoch, algorithm, acceptQuorum, members, renewed: [node] };
    const epoch = await client.reconfigure(change, this.#remaining(options, deadlineMs));
    await this.#settle({ epoch, algorithm, acceptQuorum, members }, deadlineMs);
    return epoch;
  }

  /** Starts nodes that have no voice yet. */
  async #admit(joiners: readonly NodeId[]): Promise<void> {
    if (joiners.length === 0) return;
    const { system, spawnReplica } = this.#parts;
    await this.#write({ ...this.#identity, joining: [...this.#identity.joining, ...joiners] });
    await Promise.all(
      joiners.map(async (node) => {
        await system.addNode(node);
        await spawnReplica(node);
      }),
    );
    await this.noteDisks();
  }

  /** The next epoch has been decided: waits until it is led, and stops whoever is not part of it. */
  async #settle(
    next: {
      readonly epoch: number;
      readonly algorithm: string;
      readonly acceptQuorum: number | undefined;
      readonly members: readonly NodeId[];
    },
    deadlineMs: number,
  ): Promise<void> {
    const { epoch, algorithm, acceptQuorum, members } = next;
    const leavers = this.nodes.filter((node) => !members.includes(node));
    // Those who leave serve those who stay until a quorum of these has come along.
    await this.#parts.client.establishedIn(epoch, deadlineMs);
    await this.#parts.client.barrier(this.#remaining({}, deadlineMs));
    const { clusterId, disks } = this.#identity;
    await this.#write({
      clusterId,
      epoch,
      algorithm,
      ...(acceptQuorum === undefined ? {} : { acceptQuorum }),
      members,
      joining: [],
      ...(disks === undefined ? {} : { disks: withoutKeys(disks, leavers) }),
    });
    await this.#stop(leavers);
  }

  async #dismiss(joiners: readonly NodeId[]): Promise<void> {
    if (joiners.length === 0) return;
    const joining = this.#identity.joining.filter((node) => !joiners.includes(node));
    const disks = withoutKeys(this.#identity.disks ?? {}, joiners);
    await this.#stop(joiners);
    await this.#write({ ...this.#identity, joining, disks });
  }

  async #stop(nodes: readonly NodeId[]): Promise<void> {
    const { system, client } = this.#parts;
    for (const node of nodes) {
      if (system.nodes.includes(node)) await system.removeNode(node);
      client.nodeRemoved(node);
    }
  }

  /** Waits for the end of a thread, which on a disk that hangs does not come. @throws CodedError `ERR_DISK_FAILED` */
  async #ended(node: NodeId, killed: Promise<void>, deadlineMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<never>((_, reject) => {
      const error = new CodedError('ERR_DISK_FAILED', `node ${node} cannot be ended: its disk hangs`, {
        node,
      });
      timer = setTimeout(reject, Math.max(1, deadlineMs - this.#parts.nowMs()), error);
    });
    await Promise.race([killed, tooLong]).finally(() => clearTimeout(timer));
  }

  async #write(identity: ClusterIdentity): Promise<void> {
    const { storage } = this.#parts;
    if (storage !== undefined) await writeIdentity(storage.fileSystem, storage.directory, identity);
    this.#identity = identity;
  }

  /** The present epoch, once someone leads it. */
  async #present(
    deadlineMs: number,
  ): Promise<{ readonly epoch: number; readonly algorithm: string; readonly members: readonly NodeId[] }> {
    await this.#parts.client.leaderIn(0, deadlineMs);
    const present = this.#parts.client.epoch;
    if (present !== undefined) return present;
    throw new CodedError('ERR_NO_QUORUM', 'no leader is known', {});
  }

  #deadlineMs({ timeoutMs = callTimeoutMsDefault }: CallOptions): number {
    return this.#parts.nowMs() + timeoutMs;
  }

  #remaining(options: CallOptions, deadlineMs: number): CallOptions {
    return { ...options, timeoutMs: Math.max(1, deadlineMs - this.#parts.nowMs()) };
  }
}

function withoutKeys(
  record: Readonly<Record<string, string>>,
  keys: readonly string[],
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)));
}
