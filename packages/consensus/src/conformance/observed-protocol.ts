/** A protocol with an observer in between, for checks of what crosses its border. */
import type { Effect, Input, Protocol, ProtocolOptions, RecoveredState } from '../protocol.ts';
import type { AnyProtocol } from './conformance-case.ts';

/** One start of one node, known by its identity. */
export interface Life {
  readonly state: unknown;
}

export interface ProtocolObserver {
  readonly starting?: (options: ProtocolOptions, recovered: RecoveredState) => void;
  readonly started?: (life: Life, options: ProtocolOptions, recovered: RecoveredState, nowMs: number) => void;
  readonly stepping?: (life: Life, input: Input<unknown>, nowMs: number) => void;
  /** With the effects of this step alone. */
  readonly stepped?: (life: Life, effects: readonly Effect<unknown>[]) => void;
  readonly encoded?: (wire: readonly unknown[]) => void;
}

export function observed(protocol: AnyProtocol, observer: ProtocolObserver): Protocol<Life, unknown> {
  return {
    name: protocol.name,
    start(options, recovered, nowMs) {
      observer.starting?.(options, recovered);
      const life = { state: protocol.start(options, recovered, nowMs) };
      observer.started?.(life, options, recovered, nowMs);
      return life;
    },
    step(life, input, nowMs, effects) {
      const before = effects.length;
      observer.stepping?.(life, input, nowMs);
      protocol.step(life.state, input, nowMs, effects);
      observer.stepped?.(life, effects.slice(before));
    },
    status: ({ state }) => protocol.status(state),
    foundingHardState: (founding) => protocol.foundingHardState(founding),
    committedFrom: ({ state }, from, limits) => protocol.committedFrom(state, from, limits),
    encodeMessage(message) {
      const wire = protocol.encodeMessage(message);
      observer.encoded?.(wire);
      return wire;
    },
    decodeMessage: (wire) => protocol.decodeMessage(wire),
    inspect: ({ state }) => protocol.inspect(state),
  };
}
