/** The public surface of `@quorate/storage`. */
export type { File, FileSystem, OpenMode } from './file-system.ts';
export type {
  EntriesRecord,
  HardStateRecord,
  LogEntry,
  LogRecord,
  RecoveredLog,
  SnapshotRecord,
  TruncateRecord,
} from './record.ts';
