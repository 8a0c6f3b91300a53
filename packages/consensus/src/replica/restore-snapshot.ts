/** Restoring: a snapshot out of its file into the state, at a start or after it was received. */
import { invariant } from '@quorate/core';
import type { SnapshotPosition, SnapshotReader, SnapshotStore } from '@quorate/storage';
import type { ReplicatedState } from './replicated-state.ts';

/**
 * Brings the state to what that snapshot holds.
 * @throws CodedError ERR_LOG_CORRUPT when it is damaged, ERR_DISK_FAILED when it is not there
 */
export async function restoreSnapshot(
  snapshots: SnapshotStore,
  position: SnapshotPosition,
  state: ReplicatedState,
): Promise<void> {
  const reader = await snapshots.reader(position);
  try {
    await state.restore(readAll(reader));
  } finally {
    await reader.close();
  }
  invariant(
    state.appliedIndex === position.index,
    `a snapshot named ${position.index} holds ${state.appliedIndex}`,
  );
}

async function* readAll(reader: SnapshotReader): AsyncIterable<Uint8Array> {
  const stepBytes = 256 * 1024;
  for (let offset = 0; offset < reader.sizeBytes; offset += stepBytes)
    yield await reader.read(offset, stepBytes);
}
