/**
 * Faults on purpose: the same ones that the bench schedules and a team may drill.
 *
 * Nothing here is gentle: `kill` ends a thread in the middle of whatever it does, `pause` stops one as
 * SIGSTOP would stop a process, and a cut link loses what is sent over it.
 */
import { type ActorSystem, type LinkSettings, optionInvalid } from '@quorate/core';
import type { DiskConditions } from '@quorate/storage';
import { replicaActorName } from '../replica/open-replica.ts';
import type { DiskFaultMessage } from './replica-actor.ts';

export class ClusterFaults {
  readonly #system: ActorSystem;
  readonly #members: readonly string[];
  readonly #client: string;

  constructor(system: ActorSystem, members: readonly string[], client: string) {
    this.#system = system;
    this.#members = members;
    this.#client = client;
  }

  /** Ends the node's thread at once. Its memory is gone; what it had written stays with the system. */
  async kill(node: string): Promise<void> {
    await this.#system.kill(this.#known(node));
  }

  /** Starts a killed node anew on the data it left; resolves when it has recovered. */
  async restart(node: string): Promise<void> {
    await this.#system.restart(this.#known(node));
  }

  /** Stops the node's thread where it stands, timers and all, until `resume`. */
  async pause(node: string): Promise<void> {
    await this.#system.pause(this.#known(node));
  }

  async resume(node: string): Promise<void> {
    await this.#system.resume(this.#known(node));
  }

  /**
   * Cuts the links between nodes of different groups, in both directions. The app's thread goes on
   * reaching all of them; nodes that are in no group are cut from everyone.
   */
  async partition(groups: readonly (readonly string[])[]): Promise<void> {
    for (const node of groups.flat()) this.#known(node);
    for (const from of this.#members) {
      for (const to of this.#members) {
        const together = groups.some((group) => group.includes(from) && group.includes(to));
        if (from !== to && !together) await this.#system.setLink({ from, to, partitioned: true });
      }
    }
  }

  /** Sets the conditions of one direction of one link; `app` names the app's own thread. */
  async link(fault: LinkSettings): Promise<void> {
    if (fault.from !== this.#client) this.#known(fault.from);
    if (fault.to !== this.#client) this.#known(fault.to);
    await this.#system.setLink(fault);
  }

  /** Sets how the node's disk fails. */
  disk(node: string, conditions: DiskConditions): void {
    const message: DiskFaultMessage = { type: 'disk-conditions', conditions };
    this.#system.local.ref(`${this.#known(node)}/${replicaActorName}`).tell(message);
  }

  /** Makes all links and disks healthy and resumes what is paused. Killed nodes stay down. */
  async heal(): Promise<void> {
    await this.#system.heal();
    for (const node of this.#members) this.disk(node, {});
  }

  #known(node: string): string {
    if (this.#members.includes(node)) return node;
    throw optionInvalid('node', node, this.#members.join(', '));
  }
}
