/**
 * The groups of a simulation that have little to do: now and then somebody stirs one with a command, and in
 * between it is silent.
 *
 * They share the nodes, the disks and the strikes with the group that has everything to do. What they were given
 * has to outlive all of that, and when everything is mended each of them has to answer again.
 */
import type { Client, Session } from '@quorate/consensus';
import { invariant, type NodeId, type Random } from '@quorate/core';
import type { RegisterAnswer, RegisterAudit, RegisterCommand, RegisterQuery } from './registers.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';
import type { Trace } from './trace.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface RestingGroupsOptions {
  readonly cluster: SimulatedCluster;
  /** The nodes that every one of the groups has; nobody changes that. */
  readonly members: readonly NodeId[];
  readonly groups: readonly number[];
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly random: Random;
}

/** The ids of commands to these groups, so that nobody takes them for the others. */
const firstId = 2 ** 40;
const betweenMs = [50, 1_500] as const;

export function isForRestingGroup([, id]: RegisterCommand): boolean {
  return id >= firstId;
}

interface RestingGroup {
  readonly group: number;
  readonly session: Session<RegisterCommand, RegisterQuery, boolean | null, RegisterAnswer>;
  readonly acknowledged: number[];
  isUnderWay: boolean;
  hasAnswered: boolean;
}

export class RestingGroups {
  readonly #options: RestingGroupsOptions;
  readonly #groups: RestingGroup[] = [];
  #lastId = firstId;
  #isEnding = false;

  constructor(options: RestingGroupsOptions) {
    this.#options = options;
  }

  start(): void {
    const { cluster, groups } = this.#options;
    for (const group of groups) {
      void cluster.addClient(`rest-${group}` as NodeId, group).then((client) => this.#begin(group, client));
    }
  }

  /** Everything is mended: each group is stirred once more, and has to answer. */
  demandAnswers(): void {
    this.#isEnding = true;
    for (const group of this.#groups) this.#stir(group);
  }

  /** Each has answered what was demanded, and all nodes have applied the same. */
  get areLevel(): boolean {
    return this.#groups.every(({ group, hasAnswered, isUnderWay }) => {
      const applied = this.#audits(group).map((audit) => audit?.applied.length);
      return hasAnswered && !isUnderWay && applied.every((count) => count === applied[0]);
    });
  }

  /** What was acknowledged and is not there, or not once, or not everywhere. */
  violation(): string | undefined {
    for (const { group, acknowledged } of this.#groups) {
      const audits = this.#audits(group);
      const [first] = audits;
      const counts = new Map(first?.applied);
      for (const [at, audit] of audits.entries()) {
        if (JSON.stringify(audit) === JSON.stringify(first)) continue;
        return `in the resting group ${group} ${this.#options.members[at]} holds another state than the first member`;
      }
      for (const [id, count] of counts) {
        if (count !== 1) return `command ${id} of the resting group ${group} was applied ${count} times`;
      }
      const lost = acknowledged.find((id) => !counts.has(id));
      if (lost !== undefined)
        return `command ${lost} of the resting group ${group} was acknowledged and is lost`;
    }
    return undefined;
  }

  #begin(group: number, client: Client): void {
    const session = client.session() as RestingGroup['session'];
    const one: RestingGroup = { group, session, acknowledged: [], isUnderWay: false, hasAnswered: false };
    this.#groups.push(one);
    this.#stir(one);
  }

  /** One command; what is not known to have taken effect is not asked again: others follow. */
  #stir(one: RestingGroup): void {
    if (one.isUnderWay) return;
    const { time, trace, random } = this.#options;
    this.#lastId += 1;
    const id = this.#lastId;
    const isDemanded = this.#isEnding;
    one.isUnderWay = true;
    const ended = (how: string): void => {
      one.isUnderWay = false;
      trace.add(time.nowMs, `command ${id} of the resting group ${one.group} ${how}`);
      const [min, max] = betweenMs;
      if (this.#isEnding) {
        if (!one.hasAnswered) time.after(1, () => this.#stir(one));
      } else time.after(min + random.next() * (max - min), () => this.#isEnding || this.#stir(one));
    };
    one.session.propose(['write', id, id % 3, id], { timeoutMs: 3_000 }).then(
      () => {
        one.acknowledged.push(id);
        if (isDemanded) one.hasAnswered = true;
        ended('took effect');
      },
      (error: unknown) => ended(String(error)),
    );
  }

  #audits(group: number): readonly (RegisterAudit | undefined)[] {
    const { cluster, members } = this.#options;
    return members.map((member) => {
      const opened = cluster.node(member).openedOf(group);
      invariant(opened === undefined || opened.group === group, 'a replica is of the group it is asked for');
      return opened?.state.ask(['audit']) as RegisterAudit | undefined;
    });
  }
}
