/**
 * The codec: the one place where values become bytes and bytes values.
 *
 * MessagePack by msgpackr, without its extensions: no records, no shared structures, no dates, sets,
 * regular expressions or big integers. Bytes written by one node or yesterday are understood by any
 * other, and bytes written by a stranger can build nothing but plain data.
 */
// The subpath leaves the native string reader out: it is for input that one trusts.
import { Packr } from 'msgpackr/pack';
import { CodedError } from '../coded-error.ts';
import { checkEncodable, elementsMax } from './encodable.ts';
import { depthMax, type ScanLimits, scan } from './scan.ts';

const packr = new Packr({
  useRecords: false,
  mapsAsObjects: true,
  variableMapSize: true,
  useToJSON: false,
  moreTypes: false,
});

/** Beyond this, the pool is given up after use: msgpackr would allocate every later pool as large. */
const poolBytesMax = 2 ** 18;
const freshPoolBytes = 2 ** 13;

const valueLimits: ScanLimits = { depthMax, elementsMax };

/**
 * Encodes plain data (see {@link checkEncodable}) into bytes of its own: exactly sized, in a buffer that
 * nothing else uses, free to be kept or transferred.
 * @throws CodedError `ERR_VALUE_INVALID`
 */
export function encodeValue(value: unknown): Uint8Array {
  return new Uint8Array(packBorrowed(value));
}

/**
 * Encodes `value` into msgpackr's pool. The result may be read and copied, never posted, transferred or
 * kept: its buffer is shared with every other packed value of the thread.
 * @throws CodedError `ERR_VALUE_INVALID`
 */
export function packBorrowed(value: unknown, valuesMax = elementsMax): Uint8Array {
  checkEncodable(value, valuesMax);
  const packed = packr.pack(value);
  if (packed.buffer.byteLength > poolBytesMax) packr.useBuffer(Buffer.allocUnsafeSlow(freshPoolBytes));
  return packed;
}

/**
 * The value that `bytes` encode. Objects come as plain objects, bytes as `Uint8Array`s that are views of
 * `bytes`: copy what is kept for long.
 * @throws CodedError `ERR_FRAME_INVALID` for anything that {@link encodeValue} cannot have made
 */
export function decodeValue(bytes: Uint8Array, limits: ScanLimits = valueLimits): unknown {
  scan(bytes, limits);
  // A view of our own: msgpackr hangs a property on the array that it reads, and the caller's stays clean.
  const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    return packr.unpack(view);
  } catch (cause) {
    throw new CodedError('ERR_FRAME_INVALID', 'encoded value: cannot be decoded', {}, { cause });
  }
}
