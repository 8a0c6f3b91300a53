/** A write-ahead log alone, without actors or protocols: `node examples/dist/log/main.js ./log-data`, twice. */
import { randomUUID } from 'node:crypto';
import { systemClock } from '@quorate/core';
import { lockDirectory, nodeFileSystem, openNodeDirectory, WriteAheadLog } from '@quorate/storage';

const directory = process.argv[2] ?? './log-data';
const group = 0;
const epoch = 1;

const fileSystem = nodeFileSystem();
await fileSystem.makeDirectory(directory);
const lock = await lockDirectory(directory); // one process at a time; a killed one lets go
const disk = await openNodeDirectory({
  fileSystem,
  directory: `${directory}/a`,
  clusterId: 'example',
  node: 'a',
  diskId: randomUUID(), // what a new directory is given; one that has an id keeps it
});
const log = await WriteAheadLog.open({
  fileSystem,
  directory: `${directory}/a/log`,
  clock: systemClock,
  diskId: disk.diskId,
  mustExist: disk.isEstablished, // another's log, or none where one was, is refused
  onFailure: (error) => console.error(error.code), // once; nothing is acknowledged after it
});
await disk.establish();

const known = log.recovered.find((recovered) => recovered.group === group)?.entries ?? [];
for (const { payload } of known) console.log('known:', Buffer.from(payload).toString());

const index = known.length + 1;
const entry = { index, reign: 1, timeMs: Date.now(), payload: Buffer.from(`entry ${index}`) };
await new Promise<void>((durable) => {
  log.append([{ type: 'entries', group, epoch, entries: [entry] }], durable);
});
console.log('durable: entry', index);

await log.close();
await lock.release();
