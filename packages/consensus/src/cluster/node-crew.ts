/**
 * The nodes of a cluster as orders start and stop them: who is named in the directory before it has a folder, so that
 * a crash at any point leaves nothing that a restart would misunderstand.
 */
import { type ActorSystem, CodedError, messageOf, type NodeId } from '@quorate/core';
import { nodesOf, setFolderAside } from './cluster-directory.ts';
import type { ClusterRecord, ClusterStorage } from './cluster-record.ts';
import { eachOf, failureIn } from './each-of.ts';
import type { Undertaking } from './undertaking.ts';

export interface NodeCrewParts {
  readonly system: Pick<ActorSystem, 'nodes' | 'kill' | 'restart' | 'addNode' | 'removeNode'>;
  readonly record: ClusterRecord;
  /** Undefined when nodes keep their data in memory. */
  readonly storage: ClusterStorage | undefined;
  /** Opens the replicas of a node whose thread is up; its disk is noted when this resolves. */
  readonly openNode: (node: NodeId) => Promise<void>;
  /** The node is no more. */
  readonly nodeRemoved: (node: NodeId) => void;
  readonly warn: (message: string) => void;
}

export class NodeCrew {
  readonly #parts: NodeCrewParts;
  /** Nodes whose threads were told to end by an order that was given up before they had. */
  readonly #left = new Set<NodeId>();
  /** How the node was last stopped or brought back, which may go on though no order waits for it. */
  readonly #underWay = new Map<NodeId, Promise<void>>();

  constructor(parts: NodeCrewParts) {
    this.#parts = parts;
  }

  /** Starts nodes that have no voice yet; all of them, or none. */
  async admit(joiners: readonly NodeId[], undertaking: Undertaking): Promise<void> {
    if (joiners.length === 0) return;
    const { system, record, openNode, warn } = this.#parts;
    undertaking.check();
    await record.change((identity) => ({ ...identity, joining: [...identity.joining, ...joiners] }));
    try {
      const outcomes = await undertaking.wait(
        () =>
          eachOf(joiners, joiners.length, async (node) => {
            await this.#take(node);
            undertaking.check();
            await system.addNode(node);
            undertaking.check();
            await openNode(node);
          }),
        () =>
          new CodedError('ERR_NO_QUORUM', `${joiners.join(', ')} did not all open their disks in time`, {}),
      );
      const failure = failureIn(outcomes);
      if (failure !== undefined) throw failure.reason;
    } catch (error) {
      await undertaking.undo(error, () => this.dismiss(joiners), warn);
    }
  }

  /** Takes back {@link admit}: nothing has changed, and nothing will. */
  async dismiss(joiners: readonly NodeId[]): Promise<void> {
    await this.stop(joiners);
    await this.#parts.record.change((identity) => ({
      ...identity,
      joining: identity.joining.filter((node) => !joiners.includes(node)),
      disks: withoutKeys(identity.disks ?? {}, joiners),
    }));
  }

  /** Ends nodes that nobody needs any more; their data stays on the disk. */
  async stop(nodes: readonly NodeId[]): Promise<void> {
    const { system, nodeRemoved } = this.#parts;
    await Promise.all(
      nodes.map(async (node) => {
        await this.#take(node);
        if (system.nodes.includes(node)) {
          const removed = system.removeNode(node);
          this.#noteUnderWay(node, removed);
          await removed;
        }
        nodeRemoved(node);
      }),
    );
  }

  /** Nobody is brought back any more. The system ends all threads, also of those that are being stopped. */
  close(): void {
    this.#left.clear();
  }

  /**
   * Starts a member anew on a blank disk, without a voice. From the moment on when its old one is set aside there is no
   * way back: the directory says so, and {@link resume} goes on from there.
   * @param requireOthers rejects if the others need what it holds; called when it is down. If they do, or the order is
   *   given up before that is known, the member is brought back as soon as its thread has ended.
   */
  async startBlank(
    node: NodeId,
    undertaking: Undertaking,
    requireOthers: () => Promise<void>,
  ): Promise<void> {
    const { system, storage, record, openNode, warn } = this.#parts;
    const ended = this.#take(node).then(() => {
      undertaking.check();
      return system.kill(node);
    });
    try {
      await undertaking.wait(
        () => ended,
        () => new CodedError('ERR_DISK_FAILED', `node ${node} cannot be ended: its disk hangs`, { node }),
      );
    } catch (error) {
      this.#leave(node, ended);
      throw error;
    }
    try {
      await requireOthers();
      undertaking.check();
    } catch (error) {
      await undertaking.undo(error, () => this.#bringBack(node), warn);
    }
    undertaking.wiped();
    await record.change((identity) => ({
      ...identity,
      disks: withoutKeys(identity.disks ?? {}, [node]),
      members: identity.members.filter((other) => other !== node),
      joining: [...identity.joining.filter((other) => other !== node), node],
    }));
    if (storage !== undefined) {
      const aside = await setFolderAside(storage.fileSystem, storage.directory, node);
      if (aside !== undefined) warn(`what node ${node} had is kept in ${aside}`);
    }
    const late = () => new CodedError('ERR_NO_QUORUM', `${node} did not open its new disk in time`, { node });
    await undertaking.wait(() => system.restart(node, { respawn: false }), late);
    await undertaking.wait(() => openNode(node), late);
  }

  /**
   * Goes on where an earlier {@link startBlank} of the node was left, on the disk that was new to it then. That disk may
   * bear a voice by now, and is not wiped as long as it can be opened.
   * @param isServing whether the node is up, and its replicas have told that they work
   * @returns whether it was; if not, there is nothing to go on with
   */
  async resume(node: NodeId, undertaking: Undertaking, isServing: () => boolean): Promise<boolean> {
    const { system, storage, record, openNode, warn } = this.#parts;
    const { joining, disks } = record.identity;
    if (!joining.includes(node)) return false;
    if (storage === undefined) return isServing();
    // Not noted: it never opened, and no leader was asked to give it a voice.
    if (disks?.[node] === undefined) return false;
    if (isServing()) return true;
    try {
      await undertaking.wait(() => this.#take(node));
      await undertaking.wait(() => system.restart(node, { respawn: false }));
      await undertaking.wait(() => openNode(node));
      return true;
    } catch (error) {
      undertaking.check();
      warn(`the new disk of node ${node} cannot be used: ${error instanceof Error ? error.message : error}`);
      return false;
    }
  }

  /**
   * Up again on what it had, which in memory is nothing. Whether it can be opened or not, it is where it was: nobody
   * waits for that, since a disk that hangs would hold every order to come.
   */
  async #bringBack(node: NodeId): Promise<void> {
    const { system, storage, openNode } = this.#parts;
    if (storage === undefined) return;
    await system.restart(node, { respawn: false });
    openNode(node).catch(() => undefined);
  }

  /** From here on an order has the node in hand. Resolves when it is not being stopped or brought back any more. */
  async #take(node: NodeId): Promise<void> {
    this.#left.delete(node);
    await this.#underWay.get(node);
  }

  /**
   * An order was given up while the thread of the node ends. Once it has `ended`, however late, the node is brought
   * back, unless another order has it in hand by then; no order waits for a thread that a disk may hold for ever.
   */
  #leave(node: NodeId, ended: Promise<void>): void {
    const { warn } = this.#parts;
    this.#left.add(node);
    const bringBack = (): void => {
      if (!this.#left.delete(node)) return;
      const back = this.#bringBack(node);
      this.#noteUnderWay(node, back);
      back.catch((error) => warn(`node ${node} was not brought back: ${messageOf(error)}`));
    };
    // It rejects when the thread was not even told to end.
    ended.then(bringBack, () => undefined);
  }

  /** Whoever takes the node in hand waits until that is over. */
  #noteUnderWay(node: NodeId, done: Promise<void>): void {
    this.#underWay.set(
      node,
      done.catch(() => undefined),
    );
  }

  /** All nodes that are to run. */
  get nodes(): readonly NodeId[] {
    return nodesOf(this.#parts.record.identity);
  }
}

export function withoutKeys(
  record: Readonly<Record<string, string>>,
  keys: readonly string[],
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)));
}
