/**
 * The clients of a cluster's groups: one actor each in the app's thread, made when it is first needed.
 *
 * What happens to a node as a whole is told to all of them.
 */
import { randomUUID } from 'node:crypto';
import { type ActorSystem, defineActor, invariant, type NodeId } from '@quorate/core';
import type { ReplicaStatus } from '../replica/message.ts';
import { type FirstEpoch, replicaActorName } from '../replica/open-replica.ts';
import type { ReplicaTuning } from '../replica/tuning.ts';
import { Client } from './client.ts';

export interface GroupClientsParts {
  readonly system: ActorSystem;
  readonly tuning: ReplicaTuning;
  /** The members of the cluster at the moment. */
  readonly members: () => readonly NodeId[];
  readonly onStatus: (group: number, status: ReplicaStatus) => void;
  readonly onLeader: (group: number, leader: { readonly node: NodeId; readonly reign: number }) => void;
}

export class GroupClients {
  readonly #parts: GroupClientsParts;
  readonly #clients = new Map<number, Client>();
  readonly #down = new Set<NodeId>();

  constructor(parts: GroupClientsParts) {
    this.#parts = parts;
  }

  /** The client of a group that there is. */
  of(group: number): Client {
    const known = this.#clients.get(group);
    if (known !== undefined) return known;
    const client = this.#start(group);
    this.#clients.set(group, client);
    for (const node of this.#down) client.nodeDown(node);
    return client;
  }

  /** Where the groups stand that have told of it. */
  epochs(): ReadonlyMap<number, FirstEpoch> {
    const epochs = new Map<number, FirstEpoch>();
    for (const [group, { epoch: present }] of this.#clients) {
      if (present === undefined) continue;
      const { epoch, algorithm, acceptQuorum, members } = present;
      epochs.set(group, { number: epoch, algorithm, acceptQuorum, members });
    }
    return epochs;
  }

  /** Asks the replicas of a node for their news: it was started anew. */
  watch(node: NodeId): void {
    for (const client of this.#clients.values()) client.watch(node);
  }

  /** The thread of `node` has ended. */
  nodeDown(node: NodeId): void {
    this.#down.add(node);
    for (const client of this.#clients.values()) client.nodeDown(node);
  }

  nodeUp(node: NodeId): void {
    this.#down.delete(node);
    for (const client of this.#clients.values()) client.nodeUp(node);
  }

  /** The node is no more. */
  nodeRemoved(node: NodeId): void {
    this.#down.delete(node);
    for (const client of this.#clients.values()) client.nodeRemoved(node);
  }

  stop(): void {
    for (const client of this.#clients.values()) client.stop();
  }

  #start(group: number): Client {
    const { system, tuning, members, onStatus, onLeader } = this.#parts;
    const replica = replicaActorName(group);
    let client: Client | undefined;
    const definition = defineActor<unknown, void>((context) => {
      client = new Client(context, {
        nodes: members(),
        replica: (from, node) => from.actor(`${node}/${replica}`),
        nonce: randomUUID,
        patienceMs: 2 * tuning.electionTimeoutMs[1],
        backOffMs: tuning.heartbeatMs / 2,
        onStatus: (status) => onStatus(group, status),
        onLeader: (leader) => onLeader(group, leader),
      });
      return client.behavior();
    });
    system.local.spawn(`client-${group}`, definition, { mailbox: { capacity: 1_000_000 } });
    invariant(client !== undefined, 'an actor of the app begins its life when it is spawned');
    return client;
  }
}
