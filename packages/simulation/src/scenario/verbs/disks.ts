/** Verbs of disks: what fails, hangs or is full, and damage behind everyone's back. */

import { sectorBytes } from '@quorate/storage';
import { SimulatedDisk } from '../../simulated-disk.ts';
import type { Stage } from '../stage.ts';
import { ScenarioFailure } from '../stage.ts';
import { durationMs, type Verb, verb, wholeNumber } from '../verb.ts';

const snapshotExtension = '.snap';

/** Changes bytes on the disk of a node, below all caches. */
function damage(stage: Stage, file: { node: string; path: string; at: number }, bytes: Uint8Array): void {
  stage.node(file.node).disk.content.overwrite(file.path, file.at, bytes);
}

/** Where the log of a node holds these bytes. */
function findInLog(stage: Stage, node: string, bytes: Uint8Array): { path: string; at: number } {
  const { content } = stage.node(node).disk;
  for (const path of content.paths().filter((name) => name.endsWith('.log'))) {
    const at = Buffer.from(content.image(path)).indexOf(bytes);
    if (at >= 0) return { path, at };
  }
  throw new ScenarioFailure(`the log of ${node} does not hold it`);
}

function newestSnapshot(stage: Stage, node: string): { path: string; image: Uint8Array } {
  const { content } = stage.node(node).disk;
  const path = content
    .paths()
    .filter((name) => name.endsWith(snapshotExtension))
    .sort((one, other) => indexIn(one) - indexIn(other))
    .at(-1);
  if (path === undefined) throw new ScenarioFailure(`${node} has no snapshot`);
  return { path, image: content.image(path) };
}

/** The log index up to which a snapshot holds everything, by its name: group-epoch-index-reign. */
function indexIn(path: string): number {
  return Number(/(\d+)-\d+\.snap$/.exec(path)?.[1] ?? 0);
}

function flipped(byte: number | undefined): Uint8Array {
  return Uint8Array.of((byte ?? 0) ^ 1);
}

export const diskVerbs: readonly Verb[] = [
  /** No operation ends any more; none fails. */
  verb('hang disk of NODE', (stage, { NODE }) => stage.node(NODE).setDiskConditions({ hang: true })),
  verb('hang syncs of NODE', (stage, { NODE }) =>
    stage.node(NODE).setDiskConditions({ hang: ['datasync', 'sync-directory'] }),
  ),
  verb('slow disks of NODES by TIME', (stage, { NODES, TIME }) => {
    for (const node of stage.nodes(NODES)) node.setDiskConditions({ delayMs: durationMs(TIME) });
  }),
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
  /** Every write fails from now on. */
  verb('break disk of NODE', (stage, { NODE }) =>
    stage.node(NODE).setDiskConditions({ fail: { errno: 'EIO', on: ['write'] } }),
  ),
  verb('flip a bit of put KEY VALUE in the log of NODE', (stage, { KEY, VALUE, NODE }) => {
    const bytes = stage.conversation.bytesOf({ key: KEY, value: wholeNumber(VALUE) });
    const { path, at } = findInLog(stage, NODE, bytes);
    const last = bytes.byteLength - 1;
    damage(stage, { node: NODE, path, at: at + last }, flipped(bytes[last]));
  }),
  /** Zeroes the sector in which it begins. */
  verb('zero the sector of put KEY VALUE in the log of NODE', (stage, { KEY, VALUE, NODE }) => {
    const bytes = stage.conversation.bytesOf({ key: KEY, value: wholeNumber(VALUE) });
    const { path, at } = findInLog(stage, NODE, bytes);
    damage(stage, { node: NODE, path, at: at - (at % sectorBytes) }, new Uint8Array(sectorBytes));
  }),
  verb('flip a bit in the newest snapshot of NODE', (stage, { NODE }) => {
    const { path, image } = newestSnapshot(stage, NODE);
    const at = image.byteLength >> 1;
    damage(stage, { node: NODE, path, at }, flipped(image[at]));
  }),
  verb('zero the end of the newest snapshot of NODE', (stage, { NODE }) => {
    const { path, image } = newestSnapshot(stage, NODE);
    const at = image.byteLength >> 1;
    damage(stage, { node: NODE, path, at }, new Uint8Array(image.byteLength - at));
  }),
  verb('expect NODE has a snapshot within TIME', (stage, { NODE, TIME }) => {
    const { content } = stage.node(NODE).disk;
    const has = (): boolean => content.paths().some((name) => name.endsWith(snapshotExtension));
    return stage.until(has, durationMs(TIME), `${NODE} has a snapshot`);
  }),
  verb('mend disk of NODE', (stage, { NODE }) => stage.node(NODE).setDiskConditions({})),
  verb('wipe disk of NODE', (stage, { NODE }) => stage.node(NODE).insertDisk(new SimulatedDisk())),
  verb('swap disks of NODE and OTHER', (stage, { NODE, OTHER }) => {
    const [one, other] = [stage.node(NODE), stage.node(OTHER)];
    const { disk } = one;
    one.insertDisk(other.disk);
    other.insertDisk(disk);
  }),
];
