/**
 * The record of who a cluster is, in memory and in its directory: changed one step after the other, each of them
 * whole on the disk before it counts.
 */
import { CodedError, type NodeId } from '@quorate/core';
import { type FileSystem, readNodeDirectory } from '@quorate/storage';
import { type ClusterIdentity, nodesOf, writeIdentity } from './cluster-directory.ts';

/** Where a cluster keeps its record and the folders of its nodes. */
export interface ClusterStorage {
  readonly fileSystem: FileSystem;
  readonly directory: string;
}

export class ClusterRecord {
  /** Undefined when nodes keep their data in memory. */
  readonly #storage: ClusterStorage | undefined;
  #identity: ClusterIdentity;
  #changing: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(identity: ClusterIdentity, storage: ClusterStorage | undefined) {
    this.#identity = identity;
    this.#storage = storage;
  }

  get identity(): ClusterIdentity {
    return this.#identity;
  }

  /** @param change of what the record is when its turn comes. @throws CodedError ERR_STOPPED once it is closed */
  change(change: (identity: ClusterIdentity) => ClusterIdentity | Promise<ClusterIdentity>): Promise<void> {
    if (this.#isClosed) return Promise.reject(new CodedError('ERR_STOPPED', 'the cluster has stopped', {}));
    const changed = this.#changing.then(async () => {
      const identity = await change(this.#identity);
      if (identity === this.#identity) return;
      if (this.#storage !== undefined)
        await writeIdentity(this.#storage.fileSystem, this.#storage.directory, identity);
      this.#identity = identity;
    });
    this.#changing = changed.catch(() => undefined);
    return changed;
  }

  /**
   * Notes the disk of a node that is open: from then on the node is refused when its folder is blank, or on another
   * disk. To be called each time that a node has opened, however late: one that was never noted could lose its disk,
   * come back blank, and vote as if it had promised nothing.
   */
  async noteDisk(node: NodeId): Promise<void> {
    if (this.#storage === undefined || this.#identity.disks?.[node] !== undefined) return;
    const { fileSystem, directory } = this.#storage;
    await this.change(async (identity) => {
      // One that was dismissed while it opened is none of the cluster's any more.
      if (!nodesOf(identity).includes(node) || identity.disks?.[node] !== undefined) return identity;
      // Read in its turn: what was read before another change may be a disk that this one has replaced.
      const found = await readNodeDirectory({ fileSystem, directory: `${directory}/${node}` });
      if (found === undefined) return identity;
      return { ...identity, disks: { ...identity.disks, [node]: found.diskId } };
    });
  }

  /** Nothing is written any more: the directory may belong to another process soon. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#changing;
  }
}
