/** The public surface of `@quorate/core`. */
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
  optionInvalid,
} from './coded-error.ts';
export { assertNever } from './exhaustive.ts';
export { InvariantError, invariant } from './invariant.ts';
export { type Random, seededRandom } from './random.ts';
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
