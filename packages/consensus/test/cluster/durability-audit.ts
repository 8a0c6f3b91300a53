/**
 * The durability audit: from what each node did to its disk and when the app heard of each command,
 * whether any acknowledgement came before a majority could no longer lose the command.
 *
 * An entry survives on a node from the moment at which everything up to its end, in its segment and the
 * segments before, was written before a `datasync` began that has ended: recovery reads from the front
 * and stops at the first gap, so an entry behind an unsynced one is worth nothing.
 */
import { readFileSync } from 'node:fs';
import type { DiskTraceLine } from '@quorate/consensus';
import { decodeSegment, entryRanges, segmentSequence } from '@quorate/storage';

export interface Acknowledgement {
  /** Text that the command carries and no other one does; matched by `pattern`. */
  readonly id: string;
  readonly atMs: number;
}

export interface AuditInput {
  /** The trace of every node. */
  readonly traces: ReadonlyMap<string, readonly DiskTraceLine[]>;
  readonly acknowledgements: readonly Acknowledgement[];
  /** Finds ids in the bytes of an entry, read as Latin-1. */
  readonly pattern: RegExp;
}

export interface AuditReport {
  readonly violations: readonly string[];
  /** Entries found on the disks, over all nodes. */
  readonly entries: number;
  readonly segments: number;
}

export function readTrace(file: string): DiskTraceLine[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  // What follows the last line break is nothing, or a line that a killed node did not finish.
  return lines.slice(0, -1).map((line) => JSON.parse(line) as DiskTraceLine);
}

export function auditDurability({ traces, acknowledgements, pattern }: AuditInput): AuditReport {
  const majority = Math.floor(traces.size / 2) + 1;
  /** By id, then by entry: from when on each node holds it durably. */
  const copies = new Map<string, Map<string, number[]>>();
  let entries = 0;
  let segments = 0;
  for (const trace of traces.values()) {
    const held = durableEntries(trace);
    entries += held.entries.length;
    segments += held.segments;
    for (const { position, payload, durableMs } of held.entries) {
      for (const [id] of payload.matchAll(pattern)) {
        const byEntry = copies.get(id) ?? new Map<string, number[]>();
        copies.set(id, byEntry.set(position, [...(byEntry.get(position) ?? []), durableMs]));
      }
    }
  }
  const violations: string[] = [];
  for (const { id, atMs } of acknowledgements) {
    const byEntry = [...(copies.get(id)?.values() ?? [])];
    const best = Math.max(0, ...byEntry.map((times) => times.filter((ms) => ms <= atMs).length));
    if (best < majority) violations.push(`${id} was acknowledged while durable on ${best} of ${traces.size}`);
  }
  return { violations, entries, segments };
}

interface DurableEntry {
  /** Index and reign: the same on all nodes that hold the entry. */
  readonly position: string;
  readonly payload: string;
  readonly durableMs: number;
}

function durableEntries(trace: readonly DiskTraceLine[]): {
  readonly entries: readonly DurableEntry[];
  readonly segments: number;
} {
  const files = segmentFiles(trace);
  const found: DurableEntry[] = [];
  let soFarMs = 0;
  for (const { bytes, writes } of files) {
    const { header, frames } = decodeSegment(bytes);
    if (header === undefined) continue;
    soFarMs = Math.max(soFarMs, durableMs(writes, { start: 0, end: frames[0]?.start ?? bytes.length }));
    for (const frame of frames) {
      soFarMs = Math.max(soFarMs, durableMs(writes, frame));
      if (frame.kind !== 'record' || frame.record.type !== 'entries') continue;
      const ranges = entryRanges(frame);
      for (const [at, { index, reign, payload }] of frame.record.entries.entries()) {
        const range = ranges[at];
        if (range === undefined) throw new Error('every entry of a frame has its range');
        found.push({
          position: `${index}/${reign}`,
          payload: Buffer.from(payload).toString('latin1'),
          durableMs: Math.max(soFarMs, durableMs(writes, range)),
        });
      }
    }
  }
  return { entries: found, segments: files.length };
}

interface TracedWrite {
  readonly start: number;
  readonly end: number;
  /** When the first datasync ended that began after the write had ended. */
  readonly syncedMs: number;
}

interface SegmentFile {
  readonly bytes: Buffer;
  readonly writes: readonly TracedWrite[];
}

/** Every segment that the trace wrote, oldest first, with its last content. */
function segmentFiles(trace: readonly DiskTraceLine[]): SegmentFile[] {
  const byPath = new Map<string, DiskTraceLine[]>();
  for (const line of trace) {
    const name = line.path.slice(line.path.lastIndexOf('/') + 1);
    if (segmentSequence(name) === undefined) continue;
    byPath.set(line.path, [...(byPath.get(line.path) ?? []), line]);
  }
  return [...byPath].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, lines]) => segmentFile(lines));
}

function segmentFile(lines: readonly DiskTraceLine[]): SegmentFile {
  const syncs = lines.filter(({ kind }) => kind === 'datasync');
  const parts: { start: number; content: Buffer; syncedMs: number }[] = [];
  for (const { kind, position, bytes, endMs } of lines) {
    if (kind !== 'write' || position === undefined || bytes === undefined) continue;
    const covering = syncs.filter((sync) => sync.startMs >= endMs).map((sync) => sync.endMs);
    const syncedMs = Math.min(Number.POSITIVE_INFINITY, ...covering);
    parts.push({ start: position, content: Buffer.from(bytes, 'base64'), syncedMs });
  }
  const image = Buffer.alloc(Math.max(0, ...parts.map(({ start, content }) => start + content.length)));
  for (const { start, content } of parts) content.copy(image, start);
  const writes = parts.map(({ start, content, syncedMs }) => ({
    start,
    end: start + content.length,
    syncedMs,
  }));
  return { bytes: image, writes };
}

/** From when on the range as it stands at the end is durable: when its last writes are, byte by byte. */
function durableMs(
  writes: readonly TracedWrite[],
  range: { readonly start: number; readonly end: number },
): number {
  let open = [range];
  let latestMs = 0;
  for (let at = writes.length - 1; at >= 0 && open.length > 0; at--) {
    const { start, end, syncedMs } = writes[at] as TracedWrite;
    const left = open.flatMap((part) => [
      { start: part.start, end: Math.min(part.end, start) },
      { start: Math.max(part.start, end), end: part.end },
    ]);
    const overlaps = open.some((part) => part.start < end && start < part.end);
    if (overlaps) latestMs = Math.max(latestMs, syncedMs);
    open = overlaps ? left.filter((part) => part.start < part.end) : open;
  }
  return open.length === 0 ? latestMs : Number.POSITIVE_INFINITY;
}
