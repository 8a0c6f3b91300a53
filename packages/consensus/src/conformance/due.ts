/** What can be due in a simulated cluster: messages, ticks, syncs and snapshots under way. */
import type { NodeId } from '@quorate/core';
import type { Entry, LogIndex, Reign } from '../protocol.ts';
import type { Envelope } from './cluster-settings.ts';

export type Due<M> =
  | { readonly type: 'message'; readonly envelope: Envelope<M> }
  | { readonly type: 'sync'; readonly node: NodeId; readonly incarnation: number }
  | { readonly type: 'tick'; readonly node: NodeId; readonly incarnation: number }
  | ({ readonly type: 'snapshot' } & SnapshotTransfer)
  | { readonly type: 'snapshot-sent'; readonly transfer: SnapshotTransfer; readonly delivered: boolean };

export interface SnapshotTransfer {
  readonly from: NodeId;
  readonly incarnation: number;
  readonly to: NodeId;
  readonly reign: Reign;
  readonly leads: boolean;
  readonly last: { readonly index: LogIndex; readonly reign: Reign };
  readonly prefix: readonly Entry[];
}
