/** The public surface of `@quorate/consensus/conformance`: what every protocol behind `protocol.ts` must pass. */
export { type ChaosReport, type ChaosSettings, runChaos } from './chaos.ts';
export {
  type ClusterNode,
  type ClusterSettings,
  type Envelope,
  type NetworkConditions,
  type ProposeOutcome,
  ProtocolCluster,
  type ReadOutcome,
} from './cluster.ts';
export {
  type ConformanceCase,
  ConformanceFailure,
  type ConformanceSettings,
  conformanceCases,
  conformanceFailures,
} from './conformance.ts';
export type { ConformancePart } from './conformance-case.ts';
export { DurableStore, samePayload, type Write } from './durable-store.ts';
export { SafetyChecks } from './safety.ts';
