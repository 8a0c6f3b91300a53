/**
 * Coded errors: what can go wrong in the world, each with a stable code.
 *
 * An error that crosses a port loses its class, its name and its code (Node 20), so errors are matched
 * by `code`, never by class, and cross threads as plain data: {@link errorToData}, {@link errorFromData}.
 */

/** Every code, with what it promises. Codes are added, never renamed. */
export const errorCodes = {
  ERR_NOT_LEADER: 'this node does not lead; nothing was appended',
  ERR_OUTCOME_UNKNOWN: 'the command may or may not take effect',
  ERR_COMMAND_FAILED: 'the state machine threw; the command was applied and that is its result',
  ERR_OVERLOADED: 'too much is outstanding; nothing was appended',
  ERR_NO_QUORUM: 'no quorum answered in time; nothing was appended',
  ERR_STOPPED: 'the part that was asked has stopped',
  ERR_ABORTED: 'the caller gave up before anything was sent',
  ERR_SESSION_EXPIRED: 'the session is unknown or past; the command was not executed by this request',
  ERR_LOG_CORRUPT: 'the log holds damage that a crash does not explain',
  ERR_DISK_FULL: 'no space is left on the disk',
  ERR_DISK_FAILED: 'the disk refused or failed an operation; the node stops',
  ERR_FOREIGN_DATA: 'the directory belongs to another cluster, node or state machine version',
  ERR_DIRECTORY_IN_USE: 'another process holds the directory',
  ERR_FRAME_INVALID: 'bytes that arrived are not a message of ours',
  ERR_VALUE_INVALID: 'a value holds something that cannot be encoded; nothing was sent or stored',
  ERR_OPTION_INVALID: 'an option has a value that is not allowed',
  ERR_EPOCH_CHANGED: 'another change of the algorithm or the members came first; this one was not made',
  ERR_STATE_DIVERGED: 'this replica computed another state than the others',
  ERR_MODULE_INVALID: 'a module could not be loaded or does not export what it must',
  ERR_HISTORY_INVALID: 'a history holds a line that is not an event, or contradicts an earlier one',
  ERR_ASK_TIMEOUT: 'no answer came before the deadline of an ask',
  ERR_ACTOR_FAILED: 'the actor threw while it handled the message',
  ERR_DEAD_LETTER: 'no actor lives at the address',
} as const;

/** One of {@link errorCodes}. */
export type ErrorCode = keyof typeof errorCodes;

/** Plain data about an error; what is in it crosses threads and is safe to print. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

/** An error of the world. Match on `code`; `details` has the typed facts, `cause` what lies beneath. */
export class CodedError extends Error {
  override readonly name = 'CodedError';
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}

/** Whether `error` carries `code`, whatever its class. */
export function hasCode(error: unknown, code: ErrorCode): boolean {
  return typeof error === 'object' && error !== null && (error as { code?: unknown }).code === code;
}

/** An option that is not allowed: names the option, the value that was given, and what is allowed. */
export function optionInvalid(option: string, value: unknown, allowed: string): CodedError {
  const isPlain = typeof value === 'string' || (typeof value === 'object' && value !== null);
  const shown = isPlain ? JSON.stringify(value) : String(value);
  return new CodedError(
    'ERR_OPTION_INVALID',
    `option ${option}: ${shown} is not allowed; allowed: ${allowed}`,
    {
      option,
      value: shown,
      allowed,
    },
  );
}

/** A coded error as it crosses a port. */
export interface ErrorData {
  readonly code: string;
  readonly message: string;
  readonly details: ErrorDetails;
  readonly stack?: string;
}

/**
 * What a thrown value says, as a string, whatever it is: code of others may throw what has no message, a
 * message that is no string, or something that cannot even be turned into one. Never throws itself.
 */
export function messageOf(thrown: unknown): string {
  try {
    const message =
      typeof thrown === 'object' && thrown !== null ? (thrown as { message?: unknown }).message : thrown;
    return typeof message === 'string' ? message : String(message ?? thrown);
  } catch {
    return 'something was thrown that has no text';
  }
}

/** Flattens any thrown value. What has no code of ours becomes `fallback`. */
export function errorToData(error: unknown, fallback: ErrorCode = 'ERR_ACTOR_FAILED'): ErrorData {
  if (!(error instanceof Error)) return { code: fallback, message: messageOf(error), details: {} };
  const { code, details } = error as Partial<CodedError>;
  const known = typeof code === 'string' && Object.hasOwn(errorCodes, code);
  return {
    code: known ? code : fallback,
    message: messageOf(error),
    details: known && details !== undefined ? details : {},
    ...(typeof error.stack === 'string' ? { stack: error.stack } : {}),
  };
}

/** The inverse of {@link errorToData}; a code that this build does not know becomes `ERR_ACTOR_FAILED`. */
export function errorFromData(data: ErrorData): CodedError {
  const code = Object.hasOwn(errorCodes, data.code) ? (data.code as ErrorCode) : 'ERR_ACTOR_FAILED';
  const error = new CodedError(code, data.message, data.details);
  if (data.stack !== undefined) error.stack = data.stack;
  return error;
}
