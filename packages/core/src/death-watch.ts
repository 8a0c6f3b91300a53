/**
 * Death watch: who wants to know of whose end.
 *
 * Each node keeps two books. `watchers`: for each actor here, who watches it, wherever they live; it is
 * told from when the actor ends. `watched`: for each peer, which actors there are watched from here; it
 * is told from when the peer is gone and can no longer say so itself.
 */
import { type Address, addressOf } from './address.ts';
import type { NodeId } from './brand.ts';

export interface Party {
  readonly node: NodeId;
  readonly name: string;
}

export class DeathWatch {
  readonly #watchers = new Map<string, Map<Address, Party>>();
  readonly #watched = new Map<NodeId, Map<string, Set<string>>>();

  /** `watcher`, anywhere, watches the actor `name` of this node. */
  addWatcher(name: string, watcher: Party): void {
    entryOf(this.#watchers, name, () => new Map()).set(addressOf(watcher.node, watcher.name), watcher);
  }

  removeWatcher(name: string, watcher: Party): void {
    const watchers = this.#watchers.get(name);
    watchers?.delete(addressOf(watcher.node, watcher.name));
    if (watchers?.size === 0) this.#watchers.delete(name);
  }

  /** The actor `name` of this node has ended: closes its page and returns who must be told. */
  takeWatchers(name: string): readonly Party[] {
    const watchers = this.#watchers.get(name);
    this.#watchers.delete(name);
    return watchers === undefined ? [] : [...watchers.values()];
  }

  /** The actor `watcher` of this node watches `target` on a peer. */
  addWatched(target: Party, watcher: string): void {
    const ofPeer = entryOf(this.#watched, target.node, () => new Map<string, Set<string>>());
    entryOf(ofPeer, target.name, () => new Set()).add(watcher);
  }

  /** Returns whether it was watched. */
  removeWatched(target: Party, watcher: string): boolean {
    const ofPeer = this.#watched.get(target.node);
    const watchers = ofPeer?.get(target.name);
    const was = watchers?.delete(watcher) ?? false;
    if (watchers?.size === 0) ofPeer?.delete(target.name);
    if (ofPeer?.size === 0) this.#watched.delete(target.node);
    return was;
  }

  /** `peer` is gone: forgets its watchers, and returns the watches from here that ended with it. */
  takeWatched(peer: NodeId): readonly { readonly name: string; readonly watcher: string }[] {
    for (const [name, watchers] of this.#watchers) {
      for (const watcher of watchers.values()) if (watcher.node === peer) this.removeWatcher(name, watcher);
    }
    const ofPeer = this.#watched.get(peer);
    this.#watched.delete(peer);
    const ended: { name: string; watcher: string }[] = [];
    for (const [name, watchers] of ofPeer ?? []) {
      for (const watcher of watchers) ended.push({ name, watcher });
    }
    return ended;
  }
}

function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
