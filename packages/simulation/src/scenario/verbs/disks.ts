/** Verbs of disks: what fails, hangs or is full, and damage behind everyone's back. */

import { SimulatedDisk } from '../../simulated-disk.ts';
import type { Verb } from '../verb.ts';
import { durationMs, verb } from '../verb.ts';

export const diskVerbs: readonly Verb[] = [
  /** No operation ends any more; none fails. */
  verb('hang disk of NODE', (stage, { NODE }) => stage.node(NODE).setDiskConditions({ hang: true })),
  verb('hang syncs of NODE', (stage, { NODE }) =>
    stage.node(NODE).setDiskConditions({ hang: ['datasync', 'sync-directory'] }),
  ),
  verb('slow disk of NODE by TIME', (stage, { NODE, TIME }) =>
    stage.node(NODE).setDiskConditions({ delayMs: durationMs(TIME) }),
  ),
  /** The writes that it was to cover are lost, and taken for clean. */
  verb('fail next sync of NODE', (stage, { NODE }) =>
    stage.node(NODE).setDiskConditions({ fail: { errno: 'EIO', on: ['datasync'], times: 1 } }),
  ),
  verb('fail next write of NODE', (stage, { NODE }) =>
    stage.node(NODE).setDiskConditions({ fail: { errno: 'EIO', on: ['write'], times: 1 } }),
  ),
  verb('fill disk of NODE', (stage, { NODE }) =>
    stage.node(NODE).setDiskConditions({ fail: { errno: 'ENOSPC' } }),
  ),
  verb('mend disk of NODE', (stage, { NODE }) => stage.node(NODE).setDiskConditions({})),
  verb('wipe disk of NODE', (stage, { NODE }) => stage.node(NODE).insertDisk(new SimulatedDisk())),
  verb('swap disks of NODE and OTHER', (stage, { NODE, OTHER }) => {
    const [one, other] = [stage.node(NODE), stage.node(OTHER)];
    const { disk } = one;
    one.insertDisk(other.disk);
    other.insertDisk(disk);
  }),
];
