/** Errors as they arrive from a peer: read field by field, like everything else that does. */
import type { ErrorData } from '../coded-error.ts';
import { schemaViolation } from './schema.ts';

/** @throws CodedError `ERR_FRAME_INVALID` */
export function readErrorData(value: unknown): ErrorData {
  const path = 'error';
  if (typeof value !== 'object' || value === null) throw schemaViolation(path, 'an error as data', value);
  const { code, message, details, stack } = value as Record<keyof ErrorData, unknown>;
  if (typeof code !== 'string') throw schemaViolation(`${path}.code`, 'a string', code);
  if (typeof message !== 'string') throw schemaViolation(`${path}.message`, 'a string', message);
  if (typeof details !== 'object' || details === null || Array.isArray(details)) {
    throw schemaViolation(`${path}.details`, 'an object', details);
  }
  const plain = { code, message, details: details as ErrorData['details'] };
  return typeof stack === 'string' ? { ...plain, stack } : plain;
}
