/**
 * Changes of the epoch, as the app orders them: another algorithm, other members, a member on a new disk.
 *
 * Whoever joins is started first, without a voice, and learns; then the leader ends the epoch; then whoever
 * has left is stopped. One order is carried out after the other, and one that was given up begins nothing more.
 */
import {
  type ActorSystem,
  type Clock,
  CodedError,
  hasCode,
  invariant,
  messageOf,
  type NodeId,
  optionInvalid,
} from '@quorate/core';
import type { EpochChange } from '../replica/message.ts';
import { checkAlgorithm } from './algorithm.ts';
import type { Client } from './client.ts';
import { type ClusterIdentity, nodesOf } from './cluster-directory.ts';
import { ClusterRecord, type ClusterStorage } from './cluster-record.ts';
import { eachOf, failureIn } from './each-of.ts';
import { NodeCrew, type NodeCrewParts, withoutKeys } from './node-crew.ts';
import { checkAcceptQuorum, checkNodes } from './options.ts';
import { type Undertaking, Undertakings } from './undertaking.ts';
import type { CallOptions } from './waiting-call.ts';

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

/** What an order needs of a group's client. */
export type GroupClient = Pick<
  Client,
  'epoch' | 'statuses' | 'leaderIn' | 'heardIn' | 'establishedIn' | 'reconfigure' | 'barrier'
>;

export interface EpochControlParts extends Pick<NodeCrewParts, 'openNode' | 'nodeRemoved' | 'warn'> {
  readonly system: NodeCrewParts['system'] & Pick<ActorSystem, 'isUp'>;
  /** The client of a group. */
  readonly client: (group: number) => GroupClient;
  readonly identity: ClusterIdentity;
  /** Undefined when nodes keep their data in memory. */
  readonly storage: ClusterStorage | undefined;
  readonly clock: Clock;
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

type PresentForm = EpochForm & { readonly epoch: number };

interface Changes {
  readonly groups: readonly number[];
  /** What to ask of the group's leader; undefined when there is nothing left to change. */
  readonly changeFor: (group: number, present: PresentForm) => Promise<EpochChange | undefined>;
  /** Takes back what was prepared: nothing has changed, and nothing will. */
  readonly takeBack?: () => Promise<void>;
}

export class EpochControl {
  readonly #parts: EpochControlParts;
  readonly #record: ClusterRecord;
  readonly #crew: NodeCrew;
  readonly #undertakings: Undertakings;

  constructor(parts: EpochControlParts) {
    this.#parts = parts;
    this.#record = new ClusterRecord(parts.identity, parts.storage);
    this.#crew = new NodeCrew({ ...parts, record: this.#record });
    this.#undertakings = new Undertakings(parts.clock);
  }

  get identity(): ClusterIdentity {
    return this.#record.identity;
  }

  /** All nodes that are to run, with a voice or without. */
  get nodes(): readonly NodeId[] {
    return nodesOf(this.identity);
  }

  /** See `Cluster.reconfigure`. */
  async reconfigure(order: EpochOrder, options: CallOptions): Promise<number> {
    checkNames(order, orderNames);
    return this.#undertakings.inTurn(options, (undertaking) => this.#reconfigure(order, undertaking));
  }

  /** See `Group.reconfigure`. */
  async reconfigureGroup(group: number, order: GroupOrder, options: CallOptions): Promise<number> {
    checkNames(order, groupOrderNames);
    return this.#undertakings.inTurn(options, async (undertaking) => {
      const changeFor = async (_: number, present: PresentForm) => changeTo(formOf(order, present), present);
      const epoch = await this.#changeAll({ groups: [group], changeFor }, undertaking);
      // Members change with the whole cluster, so nobody joins or leaves.
      if (group === 0) await this.#seenToTheEnd(epoch, () => this.#noteFirstGroup());
      return epoch;
    });
  }

  /** See `Cluster.replace`. */
  replace(node: string, options: CallOptions): Promise<number> {
    return this.#undertakings.inTurn(options, (undertaking) => this.#replace(node, undertaking));
  }

  /** A node is open: see {@link ClusterRecord.noteDisk}. */
  noteDisk(node: NodeId): Promise<void> {
    return this.#record.noteDisk(node);
  }

  /**
   * Gives up what is under way, and everything to come. Resolves when nothing is at work any more and nothing is written
   * to the directory: after the end of the clients and of the threads.
   */
  async stop(): Promise<void> {
    await this.#undertakings.stop();
    this.#crew.close();
    await this.#record.close();
  }

  async #reconfigure(order: EpochOrder, undertaking: Undertaking): Promise<number> {
    const form = formOf(order, await this.#present(0, undertaking));
    const joiners = form.members.filter((node) => !this.nodes.includes(node));
    // Whoever begins blank has to be told where each group stands, or it would begin in the past or the future.
    if (joiners.length > 0) await this.#locate(undertaking);
    await this.#crew.admit(joiners, undertaking);
    const epoch = await this.#changeAll(
      {
        groups: this.#groups(),
        changeFor: async (_, present) => changeTo(formOf(order, present), present),
        takeBack: () => this.#crew.dismiss(joiners),
      },
      undertaking,
    );
    await this.#seenToTheEnd(epoch, () => this.#settle(undertaking));
    return epoch;
  }

  async #replace(name: string, undertaking: Undertaking): Promise<number> {
    const present = await this.#present(0, undertaking);
    const node = name as NodeId;
    if (!present.members.includes(node)) {
      throw optionInvalid('node', name, `a member: ${present.members.join(', ')}`);
    }
    await this.#locate(undertaking);
    const isResumed = await this.#crew.resume(node, undertaking, () => this.#isServing(node));
    if (!isResumed)
      await this.#crew.startBlank(node, undertaking, () => this.#requireOthers(node, undertaking));
    const changeFor = async (group: number, form: PresentForm): Promise<EpochChange | undefined> => {
      if (!form.members.includes(node)) return undefined;
      if (isResumed && (await this.#hasVoice(node, group, undertaking))) return undefined;
      return { ...changeTo(form, form), renewed: [node] };
    };
    const epoch = await this.#changeAll({ groups: this.#groups(), changeFor }, undertaking);
    await this.#seenToTheEnd(epoch, () => this.#settle(undertaking));
    return epoch;
  }

  /**
   * Ends the present epoch of each group and waits until the next one is served. What has failed for some groups
   * may be asked again: those that have changed are left as they are.
   * @returns the number of the new epoch of the first of `groups`
   */
  async #changeAll({ groups, changeFor, takeBack }: Changes, undertaking: Undertaking): Promise<number> {
    const outcomes = await eachOf(groups, changesAtOnce, async (group) => {
      const present = await this.#present(group, undertaking);
      const change = await changeFor(group, present);
      if (change === undefined) return present.epoch;
      undertaking.asking();
      return this.#parts.client(group).reconfigure(change, undertaking.callOptions());
    });
    const failure = failureIn(outcomes);
    if (failure !== undefined) return this.#changeFailed(outcomes, failure, undertaking, takeBack);
    undertaking.decided();
    const epochs = outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : 0));
    const [epoch = 0] = epochs;
    // The joiners are voters from here on, however long it takes until the epochs are served. Those who
    // leave serve those who stay until a quorum of these has come along.
    await this.#seenToTheEnd(epoch, async () => {
      const served = await eachOf(groups, changesAtOnce, async (group, at) => {
        const client = this.#parts.client(group);
        const { deadlineMs, signal } = undertaking;
        await undertaking.wait(() => client.establishedIn(epochs[at] as number, deadlineMs, signal));
        await undertaking.wait(() => client.barrier(undertaking.callOptions()));
      });
      const unserved = failureIn(served);
      if (unserved !== undefined) throw unserved.reason;
    });
    return epoch;
  }

  /** @throws what is true of the whole: where some change may have happened, that is unknown. */
  async #changeFailed(
    outcomes: readonly PromiseSettledResult<number>[],
    first: PromiseRejectedResult,
    undertaking: Undertaking,
    takeBack: Changes['takeBack'],
  ): Promise<never> {
    const { warn } = this.#parts;
    // Where it may have happened, the joiners may be voters by now.
    const unknown = outcomes.find(
      (outcome) => outcome.status === 'rejected' && hasCode(outcome.reason, 'ERR_OUTCOME_UNKNOWN'),
    );
    const isNothingChanged =
      unknown === undefined && outcomes.every((outcome) => outcome.status === 'rejected');
    if (isNothingChanged && takeBack !== undefined) return undertaking.undo(first.reason, takeBack, warn);
    await this.#noteFirstGroup().catch((error) => warn(`cluster.json was not written: ${messageOf(error)}`));
    throw unknown?.status === 'rejected' ? unknown.reason : first.reason;
  }

  /** Does what follows from a decision that cannot be taken back. @throws CodedError ERR_OUTCOME_UNKNOWN */
  async #seenToTheEnd(epoch: number, task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      if (hasCode(error, 'ERR_OUTCOME_UNKNOWN')) throw error;
      const line = `epoch ${epoch} was decided, but not seen to the end: ${messageOf(error)}`;
      throw new CodedError('ERR_OUTCOME_UNKNOWN', line, { epoch }, { cause: error });
    }
  }

  /** @throws CodedError as {@link #present}, of the first group of which that is not known */
  async #locate(undertaking: Undertaking): Promise<void> {
    const located = await eachOf(this.#groups(), changesAtOnce, (group) => this.#present(group, undertaking));
    const failure = failureIn(located);
    if (failure !== undefined) throw failure.reason;
  }

  /** Whether the replicas of the node have told of themselves, in this life of it, and none of them has failed. */
  #isServing(node: NodeId): boolean {
    const { system, client } = this.#parts;
    if (!system.isUp(node)) return false;
    return this.#groups().every((group) => {
      const status = client(group).statuses.get(node);
      return status !== undefined && status.role !== 'failed';
    });
  }

  /** Whether a node that is up votes in the present epoch of the group. Before it is there, nobody can tell. */
  async #hasVoice(node: NodeId, group: number, undertaking: Undertaking): Promise<boolean> {
    const client = this.#parts.client(group);
    await undertaking.wait(
      () => client.heardIn(node, undertaking.deadlineMs, undertaking.signal),
      () => new CodedError('ERR_NO_QUORUM', `${node} did not catch up in time`, { node }),
    );
    return client.statuses.get(node)?.role !== 'learner';
  }

  /**
   * Whoever is to be replaced is down; the others have to be a quorum of every group without it, or what it has on
   * its disk is still needed. @throws CodedError ERR_NO_QUORUM
   */
  async #requireOthers(node: NodeId, undertaking: Undertaking): Promise<void> {
    const others = this.nodes.filter((other) => other !== node).join(', ') || 'nobody';
    const isNeeded = (cause?: unknown): CodedError =>
      new CodedError(
        'ERR_NO_QUORUM',
        `${node} cannot be replaced: without it there is no quorum (${others})`,
        { node },
        { cause },
      );
    const confirmed = await undertaking.wait(
      () =>
        eachOf(this.#groups(), changesAtOnce, (group) =>
          this.#parts.client(group).barrier(undertaking.callOptions()),
        ),
      isNeeded,
    );
    const failure = failureIn(confirmed);
    if (failure !== undefined) throw isNeeded(failure.reason);
  }

  /**
   * The next epoch is served in every group: notes it, and stops whoever has no voice in any. Groups whose members
   * differ, since some could not change at an earlier time, keep all that any of them needs. What the epoch is, those
   * who serve it say: since the order began, one before it whose outcome was unknown may have changed it, too.
   */
  async #settle(undertaking: Undertaking): Promise<void> {
    const needed = new Set(this.#groups().flatMap((group) => this.#parts.client(group).epoch?.members ?? []));
    const leavers = this.nodes.filter((node) => !needed.has(node));
    const first = this.#parts.client(0).epoch;
    invariant(first !== undefined, 'an epoch that is served is known');
    await this.#record.change((identity) => ({
      ...inEpoch(identity, first),
      joining: [...needed].filter((node) => !first.members.includes(node)),
      ...(identity.disks === undefined ? {} : { disks: withoutKeys(identity.disks, leavers) }),
    }));
    // The change is made: a leaver whose disk hangs goes on ending, and nobody waits for that beyond the deadline.
    await undertaking.waitIfTime(this.#crew.stop(leavers));
  }

  /** The directory says of the cluster what its first group is, also when an order for all of them has failed. */
  async #noteFirstGroup(): Promise<void> {
    const first = this.#parts.client(0).epoch;
    if (first === undefined) return;
    await this.#record.change((identity) => {
      if (first.epoch <= identity.epoch) return identity;
      return {
        ...inEpoch(identity, first),
        // Nobody is let go of yet: another group may need it, or it was not seen to have its voice.
        joining: nodesOf(identity).filter(
          (node) => !first.members.includes(node) || identity.joining.includes(node),
        ),
      };
    });
  }

  /** The present epoch of a group, once someone leads it. */
  async #present(group: number, undertaking: Undertaking): Promise<PresentForm> {
    const client = this.#parts.client(group);
    const unknown = () => new CodedError('ERR_NO_QUORUM', 'no leader is known', { group });
    await undertaking.wait(() => client.leaderIn(0, undertaking.deadlineMs, undertaking.signal), unknown);
    const present = client.epoch;
    if (present === undefined) throw unknown();
    return present;
  }

  #groups(): number[] {
    return Array.from({ length: this.identity.groups }, (_, group) => group);
  }
}

/** What the directory says of the cluster when its first group is in that epoch. */
function inEpoch({ acceptQuorum: _, ...identity }: ClusterIdentity, present: PresentForm): ClusterIdentity {
  const { epoch, algorithm, acceptQuorum, members } = present;
  return { ...identity, epoch, algorithm, ...(acceptQuorum === undefined ? {} : { acceptQuorum }), members };
}

/** What to ask of the leader of `present`. */
function changeTo({ algorithm, acceptQuorum, members }: EpochForm, present: PresentForm): EpochChange {
  return { fromEpoch: present.epoch, algorithm, acceptQuorum, members, renewed: [] };
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
