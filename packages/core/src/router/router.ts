/**
 * The mailbox router: one in every node, knows the link to each peer, and turns envelopes into frames.
 *
 * What is posted to a peer in one turn leaves in one frame when the turn ends. A frame costs the thread
 * some microseconds whatever it holds; a message in it costs a fraction of one.
 */
import type { NodeId } from '../brand.ts';
import { CodedError, hasCode } from '../coded-error.ts';
import type { Link } from '../link/link.ts';
import { packBorrowed } from '../wire/codec.ts';
import type { Envelope } from '../wire/envelope.ts';
import {
  decodeFrame,
  encodeFrame,
  frameBytesSoftMax,
  messageBytesMax,
  messageElementsMax,
} from '../wire/frame.ts';

export interface PeerCounters {
  framesSent: number;
  bytesSent: number;
  messagesSent: number;
  framesReceived: number;
  bytesReceived: number;
  messagesReceived: number;
  framesInvalid: number;
}

interface Peer {
  readonly link: Link;
  readonly incarnation: number;
  readonly counters: PeerCounters;
  /** Packed envelopes that wait for the end of the turn; borrowed from the codec's pool. */
  waiting: Uint8Array[];
  waitingBytes: number;
}

export interface RouterEvents {
  onEnvelope(peer: NodeId, envelope: Envelope): void;
  onFrameInvalid(peer: NodeId, error: CodedError): void;
  /** Something was posted: `flush` wants to be called at the end of the turn. */
  onPosted(): void;
}

export class Router {
  readonly #events: RouterEvents;
  readonly #peers = new Map<NodeId, Peer>();
  #dirty: Peer[] = [];

  constructor(events: RouterEvents) {
    this.#events = events;
  }

  attach(peer: NodeId, link: Link, incarnation: number): void {
    const counters = {
      framesSent: 0,
      bytesSent: 0,
      messagesSent: 0,
      framesReceived: 0,
      bytesReceived: 0,
      messagesReceived: 0,
      framesInvalid: 0,
    };
    this.#peers.set(peer, { link, incarnation, counters, waiting: [], waitingBytes: 0 });
  }

  /** Closes the link to `peer`; what waits for it is lost. Returns which life of the peer it led to. */
  detach(peer: NodeId): number | undefined {
    const gone = this.#peers.get(peer);
    if (gone === undefined) return undefined;
    this.#peers.delete(peer);
    this.#dirty = this.#dirty.filter((dirty) => dirty !== gone);
    gone.link.close();
    return gone.incarnation;
  }

  /** Which life of `peer` its link leads to. */
  incarnationOf(peer: NodeId): number | undefined {
    return this.#peers.get(peer)?.incarnation;
  }

  /** The peers that a link leads to, in the order of their names. */
  peers(): readonly NodeId[] {
    return [...this.#peers.keys()].sort();
  }

  counters(peer: NodeId): Readonly<PeerCounters> | undefined {
    return this.#peers.get(peer)?.counters;
  }

  /**
   * Packs `envelope` at once and sends it at the end of the turn; false if no link leads to `peer`.
   * @throws CodedError `ERR_VALUE_INVALID` if it cannot be encoded, or is too large
   */
  post(peer: NodeId, envelope: Envelope): boolean {
    const to = this.#peers.get(peer);
    if (to === undefined) return false;
    const packed = packBorrowed(envelope, messageElementsMax);
    if (packed.length > messageBytesMax) {
      const line = `message of ${packed.length} bytes, more than ${messageBytesMax}: send it in slices`;
      throw new CodedError('ERR_VALUE_INVALID', line, { bytes: packed.length, bytesMax: messageBytesMax });
    }
    if (to.waiting.length > 0 && to.waitingBytes + packed.length > frameBytesSoftMax) this.#send(to);
    if (to.waiting.length === 0) this.#dirty.push(to);
    to.waiting.push(packed);
    to.waitingBytes += packed.length;
    this.#events.onPosted();
    return true;
  }

  /** Sends one frame to each peer that something waits for. */
  flush(): void {
    const dirty = this.#dirty;
    if (dirty.length === 0) return;
    this.#dirty = [];
    for (const peer of dirty) if (peer.waiting.length > 0) this.#send(peer);
  }

  /** Takes a frame in. Whatever is wrong with it is counted and reported, and never thrown. */
  receive(peer: NodeId, frame: Uint8Array): void {
    const from = this.#peers.get(peer);
    // A straggler of a peer whose end has been announced: to deliver it now would raise the dead.
    if (from === undefined) return;
    from.counters.framesReceived++;
    let envelopes: readonly Envelope[];
    try {
      envelopes = decodeFrame(frame);
    } catch (error) {
      this.#refuse(peer, from, error);
      return;
    }
    from.counters.bytesReceived += frame.length;
    from.counters.messagesReceived += envelopes.length;
    for (const envelope of envelopes) {
      try {
        this.#events.onEnvelope(peer, envelope);
      } catch (error) {
        this.#refuse(peer, from, error);
      }
    }
  }

  #refuse(peer: NodeId, { counters }: Peer, error: unknown): void {
    if (!hasCode(error, 'ERR_FRAME_INVALID')) throw error;
    counters.framesInvalid++;
    this.#events.onFrameInvalid(peer, error as CodedError);
  }

  #send(peer: Peer): void {
    const frame = encodeFrame(peer.waiting, peer.waitingBytes);
    peer.counters.framesSent++;
    peer.counters.bytesSent += frame.length;
    peer.counters.messagesSent += peer.waiting.length;
    peer.waiting = [];
    peer.waitingBytes = 0;
    peer.link.send(frame);
  }
}
