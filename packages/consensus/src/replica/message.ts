/**
 * What replicas and clients say to each other, as plain data, and its form on the wire.
 *
 * On the wire each message is a positional array that opens with its kind. Every field is checked when
 * it arrives; what does not fit throws `ERR_FRAME_INVALID`.
 */
import {
  anything,
  assertNever,
  bytes,
  CodedError,
  type ErrorCode,
  errorCodes,
  flag,
  integer,
  type NodeId,
  optional,
  schemaViolation,
  text,
  tuple,
} from '@quorate/core';
import type { LogIndex, Reign, Role } from '../protocol.ts';

export const consistencies = ['linearizable', 'lease', 'session', 'eventual'] as const;
export type Consistency = (typeof consistencies)[number];

/** To a replica, from another one or from a client. `request` is the client's own number for an attempt. */
export type ReplicaMessage =
  | { readonly type: 'protocol'; readonly group: number; readonly epoch: number; readonly wire: unknown }
  | SnapshotOffer
  | {
      readonly type: 'snapshot-chunk';
      readonly transfer: number;
      readonly offset: number;
      readonly chunk: Uint8Array;
    }
  /** The receiver has everything below `nextOffset`; -1: it does not want this transfer. */
  | { readonly type: 'snapshot-progress'; readonly transfer: number; readonly nextOffset: number }
  | { readonly type: 'propose'; readonly request: number; readonly payload: Uint8Array }
  | {
      readonly type: 'read';
      readonly request: number;
      readonly consistency: Consistency;
      /** For `session`: the answer comes from a state that has applied at least this. */
      readonly atLeast: LogIndex;
      readonly queries: Uint8Array;
    }
  /** From now on the sender is told of every change of role, and of progress now and then. */
  | { readonly type: 'watch-status' };

export interface SnapshotOffer {
  readonly type: 'snapshot-offer';
  readonly group: number;
  readonly epoch: number;
  readonly transfer: number;
  /** The reign under which the sender leads. */
  readonly reign: Reign;
  readonly last: { readonly index: LogIndex; readonly reign: Reign };
  readonly sizeBytes: number;
}

/** What a replica tells of itself. */
export interface ReplicaStatus {
  readonly node: NodeId;
  readonly role: Role | 'failed';
  readonly leader: NodeId | undefined;
  readonly epoch: number;
  readonly reign: Reign;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
  /** Commands applied. */
  readonly position: number;
  /** Messages that wait for this replica. */
  readonly mailboxDepth: number;
  /** Why it failed, when it did. */
  readonly failure: { readonly code: ErrorCode; readonly message: string } | undefined;
}

/** To a client, from a replica. */
export type ClientMessage =
  | {
      readonly type: 'results';
      readonly request: number;
      readonly index: LogIndex;
      readonly results: Uint8Array;
    }
  | { readonly type: 'opened'; readonly request: number; readonly index: LogIndex; readonly session: number }
  | {
      readonly type: 'answers';
      readonly request: number;
      readonly index: LogIndex;
      readonly answers: Uint8Array;
    }
  /**
   * `ERR_NOT_LEADER`, `ERR_OVERLOADED`: nothing was appended for this request. `ERR_OUTCOME_UNKNOWN`:
   * it was appended and may yet commit. `ERR_SESSION_EXPIRED`: it was not executed and never will be.
   */
  | {
      readonly type: 'refused';
      readonly request: number;
      readonly code: ErrorCode;
      readonly message: string;
      readonly leader: NodeId | undefined;
      /** Asking again cannot change the answer. */
      readonly isFinal: boolean;
    }
  | { readonly type: 'status'; readonly status: ReplicaStatus };

const kinds = {
  protocol: 0,
  'snapshot-offer': 1,
  'snapshot-chunk': 2,
  'snapshot-progress': 3,
  propose: 4,
  read: 5,
  'watch-status': 6,
  results: 16,
  opened: 17,
  answers: 18,
  refused: 19,
  status: 20,
} as const satisfies Record<ReplicaMessage['type'] | ClientMessage['type'], number>;

export function encodeReplicaMessage(message: ReplicaMessage): unknown[] {
  const kind = kinds[message.type];
  switch (message.type) {
    case 'protocol':
      return [kind, message.group, message.epoch, message.wire];
    case 'snapshot-offer': {
      const { group, epoch, transfer, reign, last, sizeBytes } = message;
      return [kind, group, epoch, transfer, reign, last.index, last.reign, sizeBytes];
    }
    case 'snapshot-chunk':
      return [kind, message.transfer, message.offset, message.chunk];
    case 'snapshot-progress':
      return [kind, message.transfer, message.nextOffset];
    case 'propose':
      return [kind, message.request, message.payload];
    case 'read':
      return [
        kind,
        message.request,
        consistencies.indexOf(message.consistency),
        message.atLeast,
        message.queries,
      ];
    case 'watch-status':
      return [kind];
    default:
      return assertNever(message, 'replica message');
  }
}

export function encodeClientMessage(message: ClientMessage): unknown[] {
  const kind = kinds[message.type];
  switch (message.type) {
    case 'results':
      return [kind, message.request, message.index, message.results];
    case 'opened':
      return [kind, message.request, message.index, message.session];
    case 'answers':
      return [kind, message.request, message.index, message.answers];
    case 'refused':
      return [kind, message.request, message.code, message.message, message.leader ?? null, message.isFinal];
    case 'status': {
      const { node, role, leader, epoch, reign, commitIndex, appliedIndex, position, mailboxDepth, failure } =
        message.status;
      const failed = failure === undefined ? null : [failure.code, failure.message];
      return [
        kind,
        node,
        roles.indexOf(role),
        leader ?? null,
        epoch,
        reign,
        commitIndex,
        appliedIndex,
        position,
        mailboxDepth,
        failed,
      ];
    }
    default:
      return assertNever(message, 'client message');
  }
}

const roles = ['follower', 'candidate', 'leader', 'failed'] as const;
const count = integer();
const index = integer<LogIndex>();
const reign = integer<Reign>();
const node = text<NodeId>(128);
const blob = bytes(2 ** 31);
const code = (value: unknown, path: string): ErrorCode => {
  if (typeof value === 'string' && Object.hasOwn(errorCodes, value)) return value as ErrorCode;
  throw schemaViolation(path, 'an error code', value);
};

const fields = {
  protocol: tuple(count, count, count, anything),
  offer: tuple(count, count, count, count, reign, index, reign, count),
  chunk: tuple(count, count, count, blob),
  progress: tuple(count, count, integer(-1)),
  propose: tuple(count, count, blob),
  read: tuple(count, count, integer(0, consistencies.length - 1), index, blob),
  bare: tuple(count),
  blobReply: tuple(count, count, index, blob),
  opened: tuple(count, count, index, integer(1)),
  refused: tuple(count, count, code, text(4_096), optional(node), flag),
  status: tuple(
    count,
    node,
    integer(0, roles.length - 1),
    optional(node),
    count,
    reign,
    index,
    index,
    count,
    count,
    optional(tuple(code, text(4_096))),
  ),
};

/** @throws CodedError ERR_FRAME_INVALID */
export function decodeReplicaMessage(wire: unknown): ReplicaMessage {
  const at = 'replica message';
  switch (kindOf(wire)) {
    case kinds.protocol: {
      const [, group, epoch, body] = fields.protocol(wire, at);
      return { type: 'protocol', group, epoch, wire: body };
    }
    case kinds['snapshot-offer']: {
      const [, group, epoch, transfer, leads, lastIndex, lastReign, sizeBytes] = fields.offer(wire, at);
      const last = { index: lastIndex, reign: lastReign };
      return { type: 'snapshot-offer', group, epoch, transfer, reign: leads, last, sizeBytes };
    }
    case kinds['snapshot-chunk']: {
      const [, transfer, offset, chunk] = fields.chunk(wire, at);
      return { type: 'snapshot-chunk', transfer, offset, chunk };
    }
    case kinds['snapshot-progress']: {
      const [, transfer, nextOffset] = fields.progress(wire, at);
      return { type: 'snapshot-progress', transfer, nextOffset };
    }
    case kinds.propose: {
      const [, request, payload] = fields.propose(wire, at);
      return { type: 'propose', request, payload };
    }
    case kinds.read: {
      const [, request, level, atLeast, queries] = fields.read(wire, at);
      const consistency = consistencies[level] ?? 'linearizable';
      return { type: 'read', request, consistency, atLeast, queries };
    }
    case kinds['watch-status']:
      fields.bare(wire, at);
      return { type: 'watch-status' };
    default:
      throw new CodedError('ERR_FRAME_INVALID', `${at}: unknown kind ${String(kindOf(wire))}`, {});
  }
}

/** @throws CodedError ERR_FRAME_INVALID */
export function decodeClientMessage(wire: unknown): ClientMessage {
  const at = 'client message';
  switch (kindOf(wire)) {
    case kinds.results: {
      const [, request, applied, results] = fields.blobReply(wire, at);
      return { type: 'results', request, index: applied, results };
    }
    case kinds.opened: {
      const [, request, applied, session] = fields.opened(wire, at);
      return { type: 'opened', request, index: applied, session };
    }
    case kinds.answers: {
      const [, request, applied, answers] = fields.blobReply(wire, at);
      return { type: 'answers', request, index: applied, answers };
    }
    case kinds.refused: {
      const [, request, why, message, leader, isFinal] = fields.refused(wire, at);
      return { type: 'refused', request, code: why, message, leader, isFinal };
    }
    case kinds.status: {
      const [
        ,
        self,
        role,
        leader,
        epoch,
        current,
        commitIndex,
        appliedIndex,
        position,
        mailboxDepth,
        failed,
      ] = fields.status(wire, at);
      const failure = failed === undefined ? undefined : { code: failed[0], message: failed[1] };
      const status: ReplicaStatus = {
        node: self,
        role: roles[role] ?? 'failed',
        leader,
        epoch,
        reign: current,
        commitIndex,
        appliedIndex,
        position,
        mailboxDepth,
        failure,
      };
      return { type: 'status', status };
    }
    default:
      throw new CodedError('ERR_FRAME_INVALID', `${at}: unknown kind ${String(kindOf(wire))}`, {});
  }
}

function kindOf(wire: unknown): unknown {
  return Array.isArray(wire) ? wire[0] : undefined;
}
