/** A network doubles messages: a request is handled once, so that a refusal stays true whatever comes after it. */
import type { NodeId } from '@quorate/core';
import { expect, test } from 'vitest';
import type { ReplicaMessage } from '../../src/replica/message.ts';
import { encodeReplicaMessage } from '../../src/replica/message-codec.ts';
import { encodeOpen } from '../../src/replica/payload.ts';
import { recordingClient } from './recording-client.ts';
import { scriptedReplica } from './scripted-replica.ts';

const requests: readonly (ReplicaMessage & { readonly request: number })[] = [
  { type: 'propose', request: 1, payload: encodeOpen(undefined, 'nonce') },
  { type: 'transfer', request: 1, to: 'b' as NodeId },
  {
    type: 'reconfigure',
    request: 1,
    withinMs: 1_000,
    change: {
      fromEpoch: 1,
      algorithm: 'raft',
      acceptQuorum: undefined,
      members: ['a' as NodeId],
      renewed: [],
    },
  },
];

test.each(requests)(
  'a $type that was refused by a follower is not taken up when it leads',
  async (request) => {
    const { replica, is } = await scriptedReplica();
    const client = recordingClient();
    const { client: from } = client.asks(1);
    const copy = (): void => replica.receive(encodeReplicaMessage(request), from, 'app' as NodeId);
    copy();
    expect(client.told()).toEqual(['1: refused ERR_NOT_LEADER']);
    is.role = 'leader';
    copy();
    expect(client.told()).toEqual([]);
  },
);

test.each(requests)(
  'a $type that was taken is not refused by the same replica once it has failed',
  async (request) => {
    const { replica, is } = await scriptedReplica();
    const client = recordingClient();
    const { client: from } = client.asks(1);
    const copy = (): void => replica.receive(encodeReplicaMessage(request), from, 'app' as NodeId);
    is.role = 'leader';
    copy();
    replica.fail(new Error('the disk failed'));
    client.told();
    copy();
    expect(client.told()).toEqual([]);
    const another = { ...request, request: 2 };
    replica.receive(encodeReplicaMessage(another), from, 'app' as NodeId);
    expect(client.told()).toEqual(['2: refused ERR_NOT_LEADER']);
  },
);
