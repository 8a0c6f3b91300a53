/** The public surface of `@quorate/storage`. */

export type { Pinning } from './catalog.ts';
export {
  type NodeDirectoryOptions,
  openNodeDirectory,
  readNodeDirectory,
  type Superblock,
} from './directory.ts';
export { type DirectoryLock, lockDirectory } from './directory-lock.ts';
export { asDiskError, diskError, errnoOf } from './disk-error.ts';
export type { DiskOperation, DiskOperationKind } from './disk-operation.ts';
export { type DiskThread, startDiskThread } from './disk-thread.ts';
export {
  type DiskConditions,
  type FaultCounts,
  type FaultErrno,
  type FaultyFileSystem,
  type FaultyOptions,
  faultyFileSystem,
} from './faulty-file-system.ts';
export { type File, type FileSystem, type OpenMode, sectorBytes, writeDurably } from './file-system.ts';
export { entryRanges, type SegmentFrame } from './frame-decoding.ts';
export { type CrashReport, MemoryFileSystem, type MemoryFileSystemOptions } from './memory-file-system.ts';
export { nodeFileSystem } from './node-file-system.ts';
export type {
  EntriesRecord,
  ForgetRecord,
  HardStateRecord,
  LogEntry,
  LogRecord,
  RecoveredLog,
  SnapshotRecord,
  TruncateRecord,
} from './record.ts';
export type { TornTail } from './recovery.ts';
export { type SegmentHeader, segmentName, segmentSequence } from './segment.ts';
export {
  type DecodedSegment,
  decodeSegment,
  type SegmentIdentity,
  type SegmentScan,
} from './segment-scan.ts';
export type { SnapshotPosition } from './snapshot-file.ts';
export {
  type SnapshotMeta,
  type SnapshotReader,
  SnapshotStore,
  type SnapshotWriter,
} from './snapshot-store.ts';
export { judgeTail, type TailEvidence, type TailVerdict } from './tail-verdict.ts';
export { type DiskEvent, type TracingOptions, tracingFileSystem } from './tracing-file-system.ts';
export { WriteAheadLog, type WriteAheadLogOptions, type WriteAheadLogStatus } from './wal.ts';
