/** Orders to hand the lead over: each is answered, and the lead goes one way at a time. [RaftThesis §3.10] */
import type { NodeId } from '@quorate/core';
import { describe, expect, test } from 'vitest';
import type { Input } from '../../src/protocol.ts';
import type { EpochRun } from '../../src/replica/epoch-run.ts';
import { LeadTransfer } from '../../src/replica/lead-transfer.ts';
import { firstEpoch } from './first-epoch.ts';
import { recordingClient } from './recording-client.ts';

const [a, b, c] = ['a', 'b', 'c'] as [NodeId, NodeId, NodeId];

/** Replica a leads the first epoch. */
function setUp() {
  const inputs: Input<unknown>[] = [];
  const run = {
    epoch: firstEpoch,
    isMember: (node: NodeId) => firstEpoch.members.includes(node),
    input: (input: Input<unknown>) => void inputs.push(input),
  } as unknown as EpochRun;
  const transfer = new LeadTransfer(a);
  const client = recordingClient();
  const order = (request: number, to: NodeId): void => transfer.begin(client.asks(request), to, run);
  return { inputs, transfer, client, order };
}

test('whoever ordered it hears of it when the other leads, and not before', () => {
  const { inputs, transfer, client, order } = setUp();
  order(1, b);
  expect(inputs).toEqual([{ type: 'transfer', to: b }]);
  expect(client.told()).toEqual([]);
  transfer.ended(b);
  expect(client.told()).toEqual(['1: transferred']);
});

describe('an order that needs no protocol', () => {
  test('to whoever leads already is carried out', () => {
    const { inputs, client, order } = setUp();
    order(1, a);
    expect(client.told()).toEqual(['1: transferred']);
    expect(inputs).toEqual([]);
  });

  test('to a stranger is wrong, for good', () => {
    const { inputs, client, order } = setUp();
    order(1, 'd' as NodeId);
    expect(client.told()).toEqual(['1: rejected ERR_OPTION_INVALID']);
    expect(inputs).toEqual([]);
  });
});

describe('a second order', () => {
  test('that wants the same waits with the first, and both are answered', () => {
    const { inputs, transfer, client, order } = setUp();
    order(1, b);
    order(2, b);
    expect(inputs).toHaveLength(1);
    transfer.ended(b);
    expect(client.told()).toEqual(['1: transferred', '2: transferred']);
  });

  test('that wants another way is refused for now, and the first goes on', () => {
    const { inputs, transfer, client, order } = setUp();
    order(1, b);
    order(2, c);
    expect(client.told()).toEqual(['2: refused ERR_OVERLOADED']);
    expect(inputs).toEqual([{ type: 'transfer', to: b }]);
    transfer.ended(b);
    expect(client.told()).toEqual(['1: transferred']);
  });

  test('that comes when the first has ended is one of its own', () => {
    const { inputs, transfer, client, order } = setUp();
    order(1, b);
    transfer.failed(b);
    order(2, c);
    transfer.ended(c);
    expect(client.told()).toEqual(['1: rejected ERR_NO_QUORUM', '2: transferred']);
    expect(inputs).toHaveLength(2);
  });
});

describe('an order that comes to nothing', () => {
  test.each<[string, (transfer: LeadTransfer) => void, string]>([
    ['because the lead stayed, is final', (one) => one.failed(b), 'rejected ERR_NO_QUORUM'],
    ['because another leads, may be repeated there', (one) => one.ended(c), 'refused ERR_NOT_LEADER, ask c'],
    ['because the epoch ended, may be repeated', (one) => one.ended(undefined), 'refused ERR_NOT_LEADER'],
  ])('%s', (_, end, told) => {
    const { transfer, client, order } = setUp();
    order(1, b);
    order(2, b);
    end(transfer);
    expect(client.told()).toEqual([`1: ${told}`, `2: ${told}`]);
    end(transfer);
    expect(client.told()).toEqual([]);
  });
});
