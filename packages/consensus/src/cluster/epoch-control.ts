/**
 * Changes of the epoch, as the app orders them: another algorithm, other members, a member on a new disk.
 *
 * Whoever joins is started first, without a voice, and learns; then the leader ends the epoch; then whoever
 * has left is stopped. The directory names each node before it has a folder, so that a crash at any point leaves
 * nothing that a restart would misunderstand.
 */
import { type ActorSystem, CodedError, hasCode, type NodeId, optionInvalid } from '@quorate/core';
import { checkAlgorithm } from './algorithm.ts';
import type { Client } from './client.ts';
import { type ClusterIdentity, setFolderAside } from './cluster-directory.ts';
import { ClusterRecord, type ClusterStorage } from './cluster-record.ts';
import { checkAcceptQuorum, checkNodes } from './options.ts';
import { type CallOptions, callTimeoutMsDefault } from './waiting-call.ts';

/** What shall be different; what is not named stays as it is. */
export interface EpochOrder {
  readonly algorithm?: string | URL;
  /** Acceptances that choose a value, see `ClusterOptions`. A change of the algorithm begins with a majority. */
  readonly acceptQuorum?: number;
  /** The names of all members from then on. */
  readonly members?: readonly string[];
}

/** What shall be different in one group. */
export type GroupOrder = Omit<EpochOrder, 'members'>;

export interface EpochControlParts {
  readonly system: ActorSystem;
  /** The client of a group. */
  readonly client: (group: number) => Client;
  readonly identity: ClusterIdentity;
  /** Undefined when nodes keep their data in memory. */
  readonly storage: ClusterStorage | undefined;
  /** Opens the replicas of a node whose thread is up; its disk is noted when this resolves. */
  readonly openNode: (node: NodeId) => Promise<void>;
  /** The node is no more. */
  readonly nodeRemoved: (node: NodeId) => void;
  readonly nowMs: () => number;
  readonly warn: (message: string) => void;
}

const groupOrderNames = ['algorithm', 'acceptQuorum'];
const orderNames = [...groupOrderNames, 'members'];
/** Groups that change at the same time. */
const changesAtOnce = 16;

/** An epoch as it is, or shall be. */
interface EpochForm {
  readonly algorithm: string;
  readonly acceptQuorum: number | undefined;
  readonly members: readonly NodeId[];
}

export class EpochControl {
  readonly #parts: EpochControlParts;
  readonly #record: ClusterRecord;
  /** One change after the other. */
  #underWay: Promise<unknown> = Promise.resolve();

  constructor(parts: EpochControlParts) {
    this.#parts = parts;
    this.#record = new ClusterRecord(parts.identity, parts.storage);
  }

  get identity(): ClusterIdentity {
    return this.#record.identity;
  }

  /** All nodes that are to run, with a voice or without. */
  get nodes(): readonly NodeId[] {
    return [...this.identity.members, ...this.identity.joining];
  }

  /** See `Cluster.reconfigure`. */
  reconfigure(order: EpochOrder, options: CallOptions): Promise<number> {
    checkNames(order, orderNames);
    return this.#inTurn(() => this.#reconfigure(order, options));
  }

  /** See `Group.reconfigure`. */
  reconfigureGroup(group: number, order: GroupOrder, options: CallOptions): Promise<number> {
    checkNames(order, groupOrderNames);
    return this.#inTurn(async () => {
      const deadlineMs = this.#deadlineMs(options);
      const [epoch = 0] = await this.#changeAll([group], (present) => formOf(order, present), {
        options,
        deadlineMs,
      });
      return epoch;
    });
  }

  /** See `Cluster.replace`. */
  replace(node: string, options: CallOptions): Promise<number> {
    return this.#inTurn(() => this.#replace(node, options));
  }

  /** A node is open: see {@link ClusterRecord.noteDisk}. */
  noteDisk(node: NodeId): Promise<void> {
    return this.#record.noteDisk(node);
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#underWay.then(task, task);
    this.#underWay = turn.catch(() => undefined);
    return turn;
  }

  async #reconfigure(order: EpochOrder, options: CallOptions): Promise<number> {
    const deadlineMs = this.#deadlineMs(options);
    const form = formOf(order, await this.#present(0, deadlineMs));
    const joiners = form.members.filter((node) => !this.nodes.includes(node));
    await this.#admit(joiners, deadlineMs);
    const change = { options, deadlineMs, dismiss: () => this.#dismiss(joiners) };
    const [epoch = 0] = await this.#changeAll(this.#groups(), (present) => formOf(order, present), change);
    await this.#settle({ ...form, epoch });
    return epoch;
  }

  async #replace(name: string, options: CallOptions): Promise<number> {
    const deadlineMs = this.#deadlineMs(options);
    const present = await this.#present(0, deadlineMs);
    const node = name as NodeId;
    if (!present.members.includes(node)) {
      throw optionInvalid('node', name, `a member: ${present.members.join(', ')}`);
    }
    const { system, storage, openNode, warn } = this.#parts;
    await this.#ended(node, system.kill(node), deadlineMs);
    await this.#requireOthers(node, deadlineMs);
    await this.#record.change((identity) => ({
      ...identity,
      disks: withoutKeys(identity.disks ?? {}, [node]),
      members: identity.members.filter((other) => other !== node),
      joining: [...identity.joining.filter((other) => other !== node), node],
    }));
    if (storage !== undefined) {
      const aside = await setFolderAside(storage.fileSystem, storage.directory, node);
      if (aside !== undefined) warn(`what node ${node} had is kept in ${aside}`);
    }
    await system.restart(node, { respawn: false });
    await openNode(node);
    const change = { options, deadlineMs, renewed: [node] };
    const [epoch = 0] = await this.#changeAll(this.#groups(), (form) => form, change);
    await this.#settle({ ...present, epoch });
    return epoch;
  }

  /**
   * Ends the present epoch of each group and waits until the next one is served. What has failed for some groups
   * may be asked again: those that have changed are left as they are.
   * @returns the numbers of the new epochs, in the order of `groups`
   */
  async #changeAll(
    groups: readonly number[],
    formFor: (present: EpochForm) => EpochForm,
    { options, deadlineMs, renewed = [], dismiss }: ChangeOptions,
  ): Promise<number[]> {
    const outcomes = await eachOf(groups, changesAtOnce, async (group) => {
      const { epoch: fromEpoch, ...present } = await this.#present(group, deadlineMs);
      const change = { fromEpoch, ...formFor(present), renewed };
      return this.#parts.client(group).reconfigure(change, this.#remaining(options, deadlineMs));
    });
    const failures = outcomes.filter((outcome) => outcome.status === 'rejected');
    if (failures[0] !== undefined) {
      // Where it may have happened, the joiners may be voters by now.
      const mayHaveHappened = ({ reason }: PromiseRejectedResult): boolean =>
        hasCode(reason, 'ERR_OUTCOME_UNKNOWN');
      if (failures.length === groups.length && !failures.some(mayHaveHappened)) await dismiss?.();
      throw failures[0].reason;
    }
    const epochs = outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : 0));
    // The joiners are voters from here on, however long it takes until the epochs are served. Those who
    // leave serve those who stay until a quorum of these has come along.
    const served = await eachOf(groups, changesAtOnce, async (group, at) => {
      const client = this.#parts.client(group);
      await client.establishedIn(epochs[at] as number, deadlineMs);
      await client.barrier(this.#remaining({}, deadlineMs));
    });
    for (const outcome of served) if (outcome.status === 'rejected') throw outcome.reason;
    return epochs;
  }

  /** Starts nodes that have no voice yet; all of them, or none. */
  async #admit(joiners: readonly NodeId[], deadlineMs: number): Promise<void> {
    if (joiners.length === 0) return;
    const { system, openNode } = this.#parts;
    await this.#locate(deadlineMs);
    await this.#record.change((identity) => ({ ...identity, joining: [...identity.joining, ...joiners] }));
    const outcomes = await eachOf(joiners, joiners.length, async (node) => {
      await system.addNode(node);
      await openNode(node);
    });
    const failure = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failure === undefined) return;
    await this.#dismiss(joiners);
    throw failure.reason;
  }

  /** Whoever begins blank has to be told where each group stands, or it would begin in the past or the future. */
  async #locate(deadlineMs: number): Promise<void> {
    const located = await eachOf(this.#groups(), changesAtOnce, (group) => this.#present(group, deadlineMs));
    for (const outcome of located) if (outcome.status === 'rejected') throw outcome.reason;
  }

  /**
   * Whoever is to be replaced is down; the others have to be a quorum of every group without it, or what it has on
   * its disk is still needed. @throws CodedError ERR_NO_QUORUM; the node is started again on what it has, which is nothing in memory
   */
  async #requireOthers(node: NodeId, deadlineMs: number): Promise<void> {
    const { system, openNode, client, storage } = this.#parts;
    const confirmed = await eachOf(this.#groups(), changesAtOnce, (group) =>
      client(group).barrier(this.#remaining({}, deadlineMs)),
    );
    const failure = confirmed.find((outcome) => outcome.status === 'rejected');
    if (failure === undefined) return;
    if (storage !== undefined) {
      await system.restart(node, { respawn: false });
      // Whether it can be opened or not: it is where it was.
      await openNode(node).catch(() => undefined);
    }
    const others = this.nodes.filter((other) => other !== node).join(', ') || 'nobody';
    throw new CodedError(
      'ERR_NO_QUORUM',
      `${node} cannot be replaced: without it there is no quorum (${others})`,
      { node },
      { cause: failure.reason },
    );
  }

  /**
   * The next epoch is served in every group: notes it, and stops whoever has no voice in any. Groups whose members
   * differ, since some could not change at an earlier time, keep all that any of them needs.
   */
  async #settle({ epoch, algorithm, acceptQuorum, members }: EpochForm & { epoch: number }): Promise<void> {
    const needed = new Set(this.#groups().flatMap((group) => this.#parts.client(group).epoch?.members ?? []));
    for (const member of members) needed.add(member);
    const leavers = this.nodes.filter((node) => !needed.has(node));
    await this.#record.change(({ clusterId, groups, disks }) => ({
      clusterId,
      epoch,
      algorithm,
      ...(acceptQuorum === undefined ? {} : { acceptQuorum }),
      groups,
      members,
      joining: [...needed].filter((node) => !members.includes(node)),
      ...(disks === undefined ? {} : { disks: withoutKeys(disks, leavers) }),
    }));
    await this.#stop(leavers);
  }

  async #dismiss(joiners: readonly NodeId[]): Promise<void> {
    if (joiners.length === 0) return;
    await this.#stop(joiners);
    await this.#record.change((identity) => ({
      ...identity,
      joining: identity.joining.filter((node) => !joiners.includes(node)),
      disks: withoutKeys(identity.disks ?? {}, joiners),
    }));
  }

  async #stop(nodes: readonly NodeId[]): Promise<void> {
    const { system, nodeRemoved } = this.#parts;
    for (const node of nodes) {
      if (system.nodes.includes(node)) await system.removeNode(node);
      nodeRemoved(node);
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

  /** The present epoch of a group, once someone leads it. */
  async #present(group: number, deadlineMs: number): Promise<EpochForm & { readonly epoch: number }> {
    const client = this.#parts.client(group);
    await client.leaderIn(0, deadlineMs);
    const present = client.epoch;
    if (present === undefined) throw new CodedError('ERR_NO_QUORUM', 'no leader is known', {});
    return present;
  }

  #groups(): number[] {
    return Array.from({ length: this.identity.groups }, (_, group) => group);
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

interface ChangeOptions {
  readonly options: CallOptions;
  readonly deadlineMs: number;
  readonly renewed?: readonly NodeId[];
  /** Takes back what was prepared: nothing has changed, and nothing will. */
  readonly dismiss?: () => Promise<void>;
}

/** @throws CodedError ERR_OPTION_INVALID */
function checkNames(order: object, allowed: readonly string[]): void {
  for (const name of Object.keys(order)) {
    if (!allowed.includes(name)) throw optionInvalid(name, '(given)', allowed.join(', '));
  }
}

/** The epoch that shall follow `present`. @throws CodedError ERR_OPTION_INVALID */
function formOf(order: EpochOrder, present: EpochForm): EpochForm {
  const algorithm = order.algorithm === undefined ? present.algorithm : checkAlgorithm(order.algorithm);
  const members = order.members === undefined ? present.members : checkNodes('members', [...order.members]);
  // Quorums of a size are a matter of the algorithm that has them: another begins with a majority.
  const kept = algorithm === present.algorithm ? present.acceptQuorum : undefined;
  const acceptQuorum = checkAcceptQuorum(order.acceptQuorum ?? kept, { algorithm, members });
  return { algorithm, members, acceptQuorum };
}

/** Does `task` for each item, so many at a time, and says how each ended. */
async function eachOf<T, R>(
  items: readonly T[],
  atOnce: number,
  task: (item: T, at: number) => Promise<R>,
): Promise<PromiseSettledResult<R>[]> {
  const outcomes: PromiseSettledResult<R>[] = [];
  const waiting = items.entries();
  const worker = async (): Promise<void> => {
    for (const [at, item] of waiting) {
      outcomes[at] = await task(item, at).then(
        (value) => ({ status: 'fulfilled', value }),
        (reason: unknown) => ({ status: 'rejected', reason }),
      );
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return outcomes;
}
