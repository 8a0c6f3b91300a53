/** The result of `groups`, as `--json` writes it and the table reads it. Fields are added, never renamed. */
import type { ResultContext } from '../result.ts';

/** What so many groups on three nodes cost. CPU is that of the whole process: three nodes, their disks, the client. */
export interface GroupsRow {
  readonly algorithm: string;
  readonly groups: number;
  /** Until every node had opened every group. */
  readonly startMs: number;
  /** From then on, until each group had elected its leader and acknowledged a first write. */
  readonly firstWritesMs: number;
  /** Of start and first writes. */
  readonly cpuMs: number;
  /** One more write of each group, all at once. */
  readonly writesMs: number;
  /** Between the nodes, while nobody asked for anything. */
  readonly idleMessagesPerSecond: number;
  /** Of one core. */
  readonly idleCpuShare: number;
  readonly residentBytes: number;
}

export interface GroupsResult extends ResultContext {
  readonly idleMs: number;
  readonly rows: readonly GroupsRow[];
}
