/** Runs in which much happens: faults, transfers, leases and silence, so that every kind of input is given. */
import { runChaos } from './chaos.ts';
import type { AnyProtocol } from './conformance-case.ts';
import { observed, type ProtocolObserver } from './observed-protocol.ts';

export function watchLivelyRuns(protocol: AnyProtocol, observer: ProtocolObserver): void {
  const all = { hasLeases: true, hasTransfers: true, hasQuiescence: true };
  for (const seed of [1, 2, 3]) {
    runChaos({ protocol: observed(protocol, observer), nodes: 3, seed, chaosMs: 1_500, ...all });
  }
}
