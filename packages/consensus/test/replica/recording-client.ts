/** A client of which a test sees what it is told. */
import type { ActorRef } from '@quorate/core';
import type { ClientMessage } from '../../src/replica/message.ts';
import { decodeClientMessage } from '../../src/replica/message-codec.ts';
import type { Asker } from '../../src/replica/waiting-clients.ts';

export interface RecordingClient {
  /** The client with its request of this number. */
  asks(request: number): Asker;
  /** What it was told since this was last called, the number of the request before what was said. */
  told(): string[];
  readonly messages: ClientMessage[];
}

export function recordingClient(name = 'client'): RecordingClient {
  const messages: ClientMessage[] = [];
  let seen = 0;
  const ref = {
    address: `app/${name}`,
    tell: (wire: unknown) => void messages.push(decodeClientMessage(wire)),
  } as unknown as ActorRef;
  return {
    asks: (request) => ({ client: ref, request }),
    told() {
      const fresh = messages.slice(seen);
      seen = messages.length;
      return fresh.map((message) => say(message));
    },
    messages,
  };
}

function say(message: ClientMessage): string {
  if (message.type === 'status') return 'status';
  const { request, type } = message;
  if (message.type === 'reconfigured') return `${request}: reconfigured to epoch ${message.epoch}`;
  if (message.type !== 'refused') return `${request}: ${type}`;
  const { code, leader, isFinal } = message;
  return `${request}: ${isFinal ? 'rejected' : 'refused'} ${code}${leader === undefined ? '' : `, ask ${leader}`}`;
}
