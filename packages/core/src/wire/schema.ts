/**
 * Schemas: the field-by-field check of every decoded value, at every entrance.
 *
 * MessagePack says what a value is made of, not whether it is a message of ours. A schema turns the
 * unknown into a typed value or throws `ERR_FRAME_INVALID` with the path of the field that is wrong.
 * Messages are positional arrays: small on the wire, and nothing in them can name a property.
 */
import { CodedError } from '../coded-error.ts';

/** Reads `value` as a `T`, or throws `ERR_FRAME_INVALID`; `path` names the place for the message. */
export type Schema<T> = (value: unknown, path: string) => T;

type Read<S> = S extends Schema<infer T> ? T : never;

/**
 * The error of a value that is not what a schema expects: `ERR_FRAME_INVALID`, naming the place, what was
 * expected and what was found, but not the value itself.
 */
export function schemaViolation(path: string, expected: string, value: unknown): CodedError {
  const got = value === null ? 'null' : Array.isArray(value) ? `array of ${value.length}` : typeof value;
  return new CodedError('ERR_FRAME_INVALID', `${path}: expected ${expected}, got ${got}`, {
    path,
    expected,
    got,
  });
}

/** A whole number in [min, max]; the default range is 0 to 2^53 - 1. */
export function integer<T extends number = number>(min = 0, max = Number.MAX_SAFE_INTEGER): Schema<T> {
  return (value, path) => {
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max)
      return value as T;
    throw schemaViolation(path, `a whole number in ${min}..${max}`, value);
  };
}

/** A finite number. */
export const finite: Schema<number> = (value, path) => {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw schemaViolation(path, 'a finite number', value);
};

/** True or false. */
export const flag: Schema<boolean> = (value, path) => {
  if (typeof value === 'boolean') return value;
  throw schemaViolation(path, 'true or false', value);
};

/** A string of at most `lengthMax` UTF-16 units. */
export function text<T extends string = string>(lengthMax: number): Schema<T> {
  return (value, path) => {
    if (typeof value === 'string' && value.length <= lengthMax) return value as T;
    throw schemaViolation(path, `a string of at most ${lengthMax} characters`, value);
  };
}

/** Bytes, at most `bytesMax` of them. The result may be a view of the frame: copy what is kept for long. */
export function bytes(bytesMax: number): Schema<Uint8Array> {
  return (value, path) => {
    if (value instanceof Uint8Array && value.byteLength <= bytesMax) return value;
    throw schemaViolation(path, `at most ${bytesMax} bytes`, value);
  };
}

/** `null` on the wire stands for `undefined`. */
export function optional<T>(schema: Schema<T>): Schema<T | undefined> {
  return (value, path) => (value === null || value === undefined ? undefined : schema(value, path));
}

/** An array of at most `lengthMax` items. */
export function list<T>(item: Schema<T>, lengthMax: number): Schema<T[]> {
  return (value, path) => {
    if (!Array.isArray(value) || value.length > lengthMax) {
      throw schemaViolation(path, `an array of at most ${lengthMax}`, value);
    }
    return value.map((element, at) => item(element, `${path}[${at}]`));
  };
}

/** An array with exactly these fields, in this order. */
export function tuple<const S extends readonly Schema<unknown>[]>(
  ...fields: S
): Schema<{ -readonly [K in keyof S]: Read<S[K]> }> {
  return (value, path) => {
    if (!Array.isArray(value) || value.length !== fields.length) {
      throw schemaViolation(path, `an array of ${fields.length} fields`, value);
    }
    return fields.map((field, at) => field(value[at], `${path}[${at}]`)) as never;
  };
}

/** Anything that MessagePack can carry; for bodies that another schema, or the app, will judge. */
export const anything: Schema<unknown> = (value) => value;
