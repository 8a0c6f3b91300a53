/**
 * Steering: timers of chosen nodes stand still, so that a scenario can say who stands for election.
 *
 * A node whose timers stand still goes on answering. It only never begins anything by itself: no candidacy,
 * and if it leads no heartbeat.
 */
import type { Protocol } from '@quorate/consensus';
import type { NodeId } from '@quorate/core';

type AnyProtocol = Protocol<unknown, unknown>;

/**
 * @param ports.isStill asked at every tick of a node's timers
 * @param ports.sendsSnapshot told whenever a node is to send its snapshot to another
 */
export function steered(
  protocol: AnyProtocol,
  ports: { readonly isStill: (node: NodeId) => boolean; readonly sendsSnapshot: (to: NodeId) => void },
): AnyProtocol {
  const selves = new WeakMap<object, NodeId>();
  return {
    ...protocol,
    start(options, recovered, nowMs) {
      const state = protocol.start(options, recovered, nowMs);
      selves.set(state as object, options.self);
      return state;
    },
    step(state, input, nowMs, effects) {
      const self = selves.get(state as object);
      if (input.type === 'tick' && self !== undefined && ports.isStill(self)) return;
      const before = effects.length;
      protocol.step(state, input, nowMs, effects);
      for (const effect of effects.slice(before))
        if (effect.type === 'send-snapshot') ports.sendsSnapshot(effect.to);
    },
  };
}
