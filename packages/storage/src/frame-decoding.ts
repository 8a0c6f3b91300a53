/**
 * From bytes to frames: what the body of a frame whose checksum fits says. Bytes that were checked may
 * still be those of another build, so every length is looked at before it is believed.
 */
import {
  type CommitMark,
  frameHeadBytes,
  frameType,
  frameTypeAt,
  getCommitMark,
  getUint53,
} from './frame.ts';
import { type Checkpoint, entryHeadBytes } from './frame-buffer.ts';
import type { LogEntry, LogRecord } from './record.ts';

/** A frame and the bytes [start, end) of the segment that it takes. Byte arrays in it are views. */
export type SegmentFrame = { readonly start: number; readonly end: number } & (
  | ({ readonly kind: 'commit' } & CommitMark)
  | { readonly kind: 'checkpoint'; readonly checkpoint: Checkpoint }
  | { readonly kind: 'record'; readonly record: LogRecord }
);

/** The frame at `at`, whose checksum fits; undefined when it has no meaning to this build. */
export function decodeFrame(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  end: number,
): SegmentFrame | undefined {
  const bodyEnd = at + view.getUint32(at + 4, true);
  const body = at + frameHeadBytes;
  const place = { start: at, end };
  const group = view.getUint32(at + 12, true);
  const epoch = getUint53(view, at + 16);
  const bodyBytes = bodyEnd - body;
  if (!Number.isSafeInteger(epoch)) return undefined;
  switch (frameTypeAt(view, at)) {
    case frameType.commit: {
      if (bodyBytes !== 24 || !areWhole(view, body, 3)) return undefined;
      return { ...place, kind: 'commit', ...getCommitMark(view, at) };
    }
    case frameType.checkpoint: {
      if (bodyBytes < 32 || !areWhole(view, body, 3)) return undefined;
      const checkpoint = decodeCheckpoint(bytes, view, { group, epoch, body, bodyEnd });
      return { ...place, kind: 'checkpoint', checkpoint };
    }
    case frameType.entries: {
      const entries = decodeEntries(bytes, view, body, bodyEnd);
      if (entries === undefined) return undefined;
      return { ...place, kind: 'record', record: { type: 'entries', group, epoch, entries } };
    }
    case frameType.truncate: {
      if (bodyBytes !== 8 || !areWhole(view, body, 1)) return undefined;
      const after = getUint53(view, body);
      return { ...place, kind: 'record', record: { type: 'truncate', group, epoch, after } };
    }
    case frameType.hardState: {
      const state = bytes.subarray(body, bodyEnd);
      return { ...place, kind: 'record', record: { type: 'hard-state', group, epoch, state } };
    }
    case frameType.snapshot: {
      if (bodyBytes !== 24 || !areWhole(view, body, 3)) return undefined;
      const position = { index: getUint53(view, body), reign: getUint53(view, body + 8) };
      const discardsLog = getUint53(view, body + 16) !== 0;
      return {
        ...place,
        kind: 'record',
        record: { type: 'snapshot', group, epoch, ...position, discardsLog },
      };
    }
    case frameType.forget: {
      if (bodyBytes !== 0 || epoch === 0) return undefined;
      return { ...place, kind: 'record', record: { type: 'forget', group, epoch } };
    }
    default:
      return undefined;
  }
}

/** Whether `count` numbers of eight bytes from `at` on are whole numbers that we can count with. */
function areWhole(view: DataView, at: number, count: number): boolean {
  for (let n = 0; n < count; n++) if (view.getUint32(at + n * 8 + 4, true) >= 2 ** 21) return false;
  return true;
}

function decodeCheckpoint(
  bytes: Uint8Array,
  view: DataView,
  at: { readonly group: number; readonly epoch: number; readonly body: number; readonly bodyEnd: number },
): Checkpoint {
  const hasHardState = view.getUint32(at.body + 24, true) === 1;
  return {
    group: at.group,
    epoch: at.epoch,
    hardState: hasHardState ? bytes.subarray(at.body + 32, at.bodyEnd) : undefined,
    snapshot: { index: getUint53(view, at.body), reign: getUint53(view, at.body + 8) },
    lastIndex: getUint53(view, at.body + 16),
  };
}

function decodeEntries(
  bytes: Uint8Array,
  view: DataView,
  body: number,
  bodyEnd: number,
): readonly LogEntry[] | undefined {
  if (body + 8 > bodyEnd) return undefined;
  const count = view.getUint32(body, true);
  const entries: LogEntry[] = [];
  let at = body + 8;
  for (let n = 0; n < count; n++) {
    const payloadAt = at + entryHeadBytes;
    if (payloadAt > bodyEnd) return undefined;
    const payloadEnd = payloadAt + view.getUint32(at + 24, true);
    if (payloadEnd > bodyEnd || !areWhole(view, at, 2)) return undefined;
    entries.push({
      index: getUint53(view, at),
      reign: getUint53(view, at + 8),
      timeMs: view.getFloat64(at + 16, true),
      payload: bytes.subarray(payloadAt, payloadEnd),
    });
    at = payloadEnd;
  }
  return at === bodyEnd ? entries : undefined;
}

/** Where each entry of an entries frame lies in the segment: [start, end), in the order of the record. */
export function entryRanges(
  frame: SegmentFrame,
): readonly { readonly start: number; readonly end: number }[] {
  if (frame.kind !== 'record' || frame.record.type !== 'entries') return [];
  let at = frame.start + frameHeadBytes + 8;
  return frame.record.entries.map((entry) => {
    const start = at;
    at += entryHeadBytes + entry.payload.byteLength;
    return { start, end: at };
  });
}
