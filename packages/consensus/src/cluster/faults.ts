/**
 * Faults on purpose: the same ones that the bench schedules and a team may drill.
 *
 * Nothing here is gentle: `kill` ends a thread in the middle of whatever it does, `pause` stops one as
 * SIGSTOP would stop a process, and a cut link loses what is sent over it.
 */
import { type ActorSystem, type LinkSettings, optionInvalid } from '@quorate/core';
import type { DiskConditions } from '@quorate/storage';
import { nodeActorName } from '../replica/open-node.ts';
import type { DiskFaultMessage } from './node-actor.ts';
import { clientNodeName } from './options.ts';

/** What shall be wrong with one direction of one link. What is not named stays as it is. */
export interface LinkFault {
  readonly from: string;
  readonly to: string;
  /** Share of frames that are lost, 0 to 1. */
  readonly drop?: number;
  /** Share of frames that arrive twice, 0 to 1. */
  readonly duplicate?: number;
  /** Share of frames that later ones may overtake, 0 to 1. */
  readonly reorder?: number;
  /** How long each frame takes, in milliseconds: so much, or drawn from a range. */
  readonly delayMs?: number | readonly [min: number, max: number];
  /** Nothing gets through. */
  readonly partitioned?: boolean;
}

const conditionNames = {
  drop: 'dropRate',
  duplicate: 'duplicateRate',
  reorder: 'reorderRate',
  partitioned: 'partitioned',
} as const;

/** @throws CodedError ERR_OPTION_INVALID for a fault that no link has */
function conditionsOf({ from, to, delayMs, ...faults }: LinkFault): LinkSettings {
  const conditions: Record<string, unknown> = {};
  for (const [fault, value] of Object.entries(faults)) {
    if (!Object.hasOwn(conditionNames, fault)) {
      throw optionInvalid(`link.${fault}`, value, `${Object.keys(conditionNames).join(', ')}, delayMs`);
    }
    conditions[conditionNames[fault as keyof typeof conditionNames]] = value;
  }
  if (delayMs !== undefined)
    conditions['delayMs'] = typeof delayMs === 'number' ? [delayMs, delayMs] : delayMs;
  return { ...conditions, from, to };
}

interface FaultsParts {
  readonly system: ActorSystem;
  /** All nodes there are. */
  readonly nodes: () => readonly string[];
  readonly restart: (node: string) => Promise<void>;
}

/**
 * Faults on purpose, and their mending. What names a node that does not exist throws CodedError `ERR_OPTION_INVALID`.
 */
export class ClusterFaults {
  readonly #parts: FaultsParts;
  readonly #paused = new Set<string>();

  constructor(parts: FaultsParts) {
    this.#parts = parts;
  }

  /** Ends the node's thread at once. Its memory is gone; what it had written stays with the system. */
  async kill(node: string): Promise<void> {
    this.#paused.delete(this.#known(node));
    await this.#parts.system.kill(node);
  }

  /**
   * Starts a killed node anew on the data it left; resolves when it has recovered.
   * @throws CodedError `ERR_LOG_CORRUPT` when it kept its data in memory; what opening its directory throws
   */
  async restart(node: string): Promise<void> {
    await this.#parts.restart(this.#known(node));
  }

  /** Stops the node's thread where it stands, timers and all, until `resume`. */
  async pause(node: string): Promise<void> {
    this.#paused.add(this.#known(node));
    await this.#parts.system.pause(node);
  }

  /** Lets a paused node go on, with whatever timers and messages have become due meanwhile. */
  async resume(node: string): Promise<void> {
    this.#paused.delete(this.#known(node));
    await this.#parts.system.resume(node);
  }

  /**
   * Cuts the links between nodes of different groups, in both directions. The app's thread goes on
   * reaching all of them; nodes that are in no group are cut from everyone.
   */
  async partition(groups: readonly (readonly string[])[]): Promise<void> {
    for (const node of groups.flat()) this.#known(node);
    const nodes = this.#parts.nodes();
    for (const from of nodes) {
      for (const to of nodes) {
        const together = groups.some((group) => group.includes(from) && group.includes(to));
        if (from !== to && !together) await this.#parts.system.setLink({ from, to, partitioned: true });
      }
    }
  }

  /** Sets the conditions of one direction of one link; `app` names the app's own thread. */
  async link(fault: LinkFault): Promise<void> {
    if (fault.from !== clientNodeName) this.#known(fault.from);
    if (fault.to !== clientNodeName) this.#known(fault.to);
    await this.#parts.system.setLink(conditionsOf(fault));
  }

  /** Sets how the node's disk fails. */
  disk(node: string, conditions: DiskConditions): void {
    const message: DiskFaultMessage = { type: 'disk-conditions', conditions };
    this.#parts.system.local.ref(`${this.#known(node)}/${nodeActorName}`).tell(message);
  }

  /** Makes all links and disks healthy and resumes what is paused. Killed nodes stay down. */
  async heal(): Promise<void> {
    const { system, nodes } = this.#parts;
    for (const node of [...this.#paused]) await this.resume(node);
    await system.heal();
    for (const node of nodes()) if (system.isUp(node)) this.disk(node, {});
  }

  #known(node: string): string {
    const nodes = this.#parts.nodes();
    if (nodes.includes(node)) return node;
    throw optionInvalid('node', node, nodes.join(', '));
  }
}
