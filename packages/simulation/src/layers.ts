/**
 * Layers: what several strikes ask of one thing at the same time. Each may be taken away at any time, in any
 * order, and whoever is struck by the others stays struck.
 */
export class Layers<Key, Value> {
  readonly #byKey = new Map<Key, { readonly value: Value }[]>();
  readonly #changed: (key: Key, values: readonly Value[]) => void;

  /** @param changed told of all layers on `key`, the oldest first, whenever one comes or goes */
  constructor(changed: (key: Key, values: readonly Value[]) => void) {
    this.#changed = changed;
  }

  /** @returns what takes the layer away; doing so twice is the same as once */
  add(key: Key, value: Value): () => void {
    const layers = this.#byKey.get(key) ?? [];
    this.#byKey.set(key, layers);
    const layer = { value };
    layers.push(layer);
    this.#tell(key);
    return () => {
      const at = layers.indexOf(layer);
      if (at < 0) return;
      layers.splice(at, 1);
      this.#tell(key);
    };
  }

  isOn(key: Key): boolean {
    return (this.#byKey.get(key)?.length ?? 0) > 0;
  }

  #tell(key: Key): void {
    this.#changed(
      key,
      (this.#byKey.get(key) ?? []).map(({ value }) => value),
    );
  }
}
