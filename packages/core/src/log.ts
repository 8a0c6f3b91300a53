/** The log is a port: what a part has to say to the people who run it goes through a {@link Log}. */

/** Plain values beside a line; they must survive a thread boundary and be safe to print. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Where a part says what people may want to read. A line is a sentence; facts go into the fields. */
export interface Log {
  debug(line: string, fields?: LogFields): void;
  info(line: string, fields?: LogFields): void;
  warn(line: string, fields?: LogFields): void;
  error(line: string, fields?: LogFields): void;
}

/** How much a line matters: `debug`, `info`, `warn` or `error`. */
export type LogLevel = keyof Log;

/** Says nothing: the default, because a library does not write to its app's terminal unasked. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
