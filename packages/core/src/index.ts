/** The public surface of `@quorate/core`. */
export type { ActorRef, AskOptions } from './actor-ref.ts';
export { type Address, addressOf, checkName, isName, nobody, parseAddress } from './address.ts';
export {
  type ActorContext,
  type ActorDefinition,
  type ActorFactory,
  type ActorOptions,
  type ActorTimers,
  type Behavior,
  defineActor,
  isActorDefinition,
  type Signal,
  type SpawnOptions,
} from './behavior.ts';
export type { Brand, NodeId } from './brand.ts';
export { type Clock, systemClock, type Timer } from './clock.ts';
export {
  CodedError,
  type ErrorCode,
  type ErrorData,
  type ErrorDetails,
  errorCodes,
  errorFromData,
  errorToData,
  hasCode,
  messageOf,
  optionInvalid,
} from './coded-error.ts';
export { assertNever } from './exhaustive.ts';
export { InvariantError, invariant } from './invariant.ts';
export {
  type ConditionedLink,
  checkConditions,
  conditionedLink,
  healthy,
  type LinkConditions,
  type LinkCounters,
} from './link/conditions.ts';
export type { Link } from './link/link.ts';
export { loopbackLink } from './link/loopback.ts';
export { type Log, type LogFields, type LogLevel, silentLog } from './log.ts';
export { type OverflowPolicy, overflowPolicies } from './mailbox.ts';
export { loadModule, moduleInvalid } from './module-loading.ts';
export type { NodeDownReason } from './node-handle.ts';
export {
  type ActorFailure,
  type DeadLetter,
  type NodeInspection,
  type NodeLimits,
  NodeRuntime,
  type NodeRuntimeOptions,
} from './node-runtime.ts';
export { type Random, seededRandom } from './random.ts';
export type { RestartPolicy } from './supervision.ts';
export {
  ActorSystem,
  type ActorSystemEvents,
  type ActorSystemOptions,
  type LinkSettings,
} from './system.ts';
export { decodeValue, encodeValue } from './wire/codec.ts';
export { encodableText } from './wire/encodable.ts';
export type { Envelope } from './wire/envelope.ts';
export {
  decodeFrame,
  encodeFrame,
  frameBytesMax,
  frameBytesSoftMax,
  messageBytesMax,
} from './wire/frame.ts';
export {
  anything,
  bytes,
  finite,
  flag,
  integer,
  list,
  optional,
  type Schema,
  schemaViolation,
  text,
  tuple,
} from './wire/schema.ts';
