/** A disk that can be carried from one simulated node to another: it takes its time where it is plugged in. */
import { type DiskOperation, MemoryFileSystem } from '@quorate/storage';

export class SimulatedDisk {
  readonly content: MemoryFileSystem;
  #settle: (operation: DiskOperation) => Promise<void> = () => Promise.resolve();

  constructor() {
    this.content = new MemoryFileSystem({ settle: (operation) => this.#settle(operation) });
  }

  /** @param settle resolves when an operation has taken its time in the node that the disk is now in */
  plugInto(settle: (operation: DiskOperation) => Promise<void>): void {
    this.#settle = settle;
  }
}
