/**
 * The messages of replicas and clients on the wire: positional arrays that open with their kind. Every field
 * is checked when it arrives; what does not fit throws `ERR_FRAME_INVALID`.
 */
import {
  anything,
  assertNever,
  bytes,
  CodedError,
  type ErrorCode,
  encodableText,
  errorCodes,
  flag,
  integer,
  list,
  type NodeId,
  optional,
  schemaViolation,
  text,
  tuple,
} from '@quorate/core';
import type { LogIndex, Reign } from '../protocol.ts';
import { type ClientMessage, consistencies, type ReplicaMessage, type ReplicaStatus } from './message.ts';
import { hashValueSchema } from './state-hash.ts';

/** Of the text of an error, which may come from a module of the app's. */
const messageLengthMax = 4_096;

const kinds = {
  protocol: 0,
  'snapshot-offer': 1,
  'snapshot-chunk': 2,
  'snapshot-progress': 3,
  propose: 4,
  read: 5,
  'watch-status': 6,
  learning: 7,
  'epoch-passed': 8,
  'left-behind': 9,
  'read-index': 10,
  'read-index-reply': 11,
  transfer: 12,
  reconfigure: 13,
  'state-hash': 14,
  results: 16,
  opened: 17,
  answers: 18,
  refused: 19,
  status: 20,
  reconfigured: 21,
  transferred: 22,
  closed: 23,
} as const satisfies Record<ReplicaMessage['type'] | ClientMessage['type'], number>;

export function encodeReplicaMessage(message: ReplicaMessage): unknown[] {
  const kind = kinds[message.type];
  switch (message.type) {
    case 'protocol':
    case 'learning':
      return [kind, message.group, message.epoch, message.wire];
    case 'epoch-passed':
    case 'left-behind':
      return [kind, message.group, message.epoch];
    case 'read-index':
      return [kind, message.group, message.epoch, message.read];
    case 'read-index-reply':
      return [kind, message.group, message.epoch, message.read, message.index ?? null];
    case 'state-hash':
      return [kind, message.group, message.index, message.hash];
    case 'transfer':
      return [kind, message.request, message.to];
    case 'reconfigure': {
      const { fromEpoch, algorithm, acceptQuorum, members, renewed } = message.change;
      const change = [fromEpoch, algorithm, acceptQuorum ?? null, members, renewed];
      return [kind, message.request, message.withinMs, change];
    }
    case 'snapshot-offer': {
      const { group, epoch, transfer, brings, reign, leads, last, sizeBytes } = message;
      return [kind, group, epoch, transfer, brings, reign, leads, last.index, last.reign, sizeBytes];
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
        message.isLocal,
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
    case 'reconfigured':
      return [kind, message.request, message.index, message.epoch];
    case 'transferred':
    case 'closed':
      return [kind, message.request];
    case 'answers':
      return [kind, message.request, message.index, message.answers];
    case 'refused':
      return [
        kind,
        message.request,
        message.code,
        encodableText(message.message, messageLengthMax),
        message.leader ?? null,
        message.isFinal,
      ];
    case 'status': {
      const { failure, ...standing } = message.status;
      return [
        kind,
        standing.node,
        roles.indexOf(standing.role),
        standing.leader ?? null,
        standing.epoch,
        standing.algorithm,
        standing.acceptQuorum ?? null,
        standing.members,
        standing.reign,
        standing.commitIndex,
        standing.appliedIndex,
        standing.position,
        standing.mailboxDepth,
        failure === undefined ? null : [failure.code, encodableText(failure.message, messageLengthMax)],
      ];
    }
    default:
      return assertNever(message, 'client message');
  }
}

const roles = ['follower', 'candidate', 'leader', 'learner', 'failed'] as const;
const count = integer();
const index = integer<LogIndex>();
const reign = integer<Reign>();
const node = text<NodeId>(128);
const blob = bytes(2 ** 31);
const code = (value: unknown, path: string): ErrorCode => {
  if (typeof value === 'string' && Object.hasOwn(errorCodes, value)) return value as ErrorCode;
  throw schemaViolation(path, 'an error code', value);
};

const membersMax = 31;
const members = list(node, membersMax);

const fields = {
  protocol: tuple(count, count, count, anything),
  inEpoch: tuple(count, count, count),
  readIndex: tuple(count, count, count, count),
  readIndexReply: tuple(count, count, count, count, optional(index)),
  stateHash: tuple(count, count, index, hashValueSchema),
  transfer: tuple(count, count, node),
  reconfigure: tuple(
    count,
    count,
    integer(1),
    tuple(integer(1), text(4_096), optional(integer(1, membersMax)), members, members),
  ),
  reconfigured: tuple(count, count, index, integer(1)),
  transferred: tuple(count, count),
  closed: tuple(count, count),
  offer: tuple(count, count, count, count, count, reign, flag, index, reign, count),
  chunk: tuple(count, count, count, blob),
  progress: tuple(count, count, integer(-1)),
  propose: tuple(count, count, blob),
  read: tuple(count, count, integer(0, consistencies.length - 1), flag, index, blob),
  bare: tuple(count),
  blobReply: tuple(count, count, index, blob),
  opened: tuple(count, count, index, integer(1)),
  refused: tuple(count, count, code, text(messageLengthMax), optional(node), flag),
  status: tuple(
    count,
    node,
    integer(0, roles.length - 1),
    optional(node),
    count,
    text(4_096),
    optional(integer(1, membersMax)),
    members,
    reign,
    index,
    index,
    count,
    count,
    optional(tuple(code, text(messageLengthMax))),
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
    case kinds.learning: {
      const [, group, epoch, body] = fields.protocol(wire, at);
      return { type: 'learning', group, epoch, wire: body };
    }
    case kinds['epoch-passed']: {
      const [, group, epoch] = fields.inEpoch(wire, at);
      return { type: 'epoch-passed', group, epoch };
    }
    case kinds['left-behind']: {
      const [, group, epoch] = fields.inEpoch(wire, at);
      return { type: 'left-behind', group, epoch };
    }
    case kinds['read-index']: {
      const [, group, epoch, read] = fields.readIndex(wire, at);
      return { type: 'read-index', group, epoch, read };
    }
    case kinds['read-index-reply']: {
      const [, group, epoch, read, from] = fields.readIndexReply(wire, at);
      return { type: 'read-index-reply', group, epoch, read, index: from };
    }
    case kinds['state-hash']: {
      const [, group, appliedIndex, hash] = fields.stateHash(wire, at);
      return { type: 'state-hash', group, index: appliedIndex, hash };
    }
    case kinds.transfer: {
      const [, request, to] = fields.transfer(wire, at);
      return { type: 'transfer', request, to };
    }
    case kinds.reconfigure: {
      const [, request, withinMs, change] = fields.reconfigure(wire, at);
      const [fromEpoch, algorithm, acceptQuorum, wanted, renewed] = change;
      return {
        type: 'reconfigure',
        request,
        withinMs,
        change: { fromEpoch, algorithm, acceptQuorum, members: wanted, renewed },
      };
    }
    case kinds['snapshot-offer']: {
      const [, group, epoch, transfer, brings, standsAt, leads, lastIndex, lastReign, sizeBytes] =
        fields.offer(wire, at);
      const last = { index: lastIndex, reign: lastReign };
      return {
        type: 'snapshot-offer',
        group,
        epoch,
        transfer,
        brings,
        reign: standsAt,
        leads,
        last,
        sizeBytes,
      };
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
      const [, request, level, isLocal, atLeast, queries] = fields.read(wire, at);
      const consistency = consistencies[level] ?? 'linearizable';
      return { type: 'read', request, consistency, isLocal, atLeast, queries };
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
    case kinds.reconfigured: {
      const [, request, applied, epoch] = fields.reconfigured(wire, at);
      return { type: 'reconfigured', request, index: applied, epoch };
    }
    case kinds.transferred: {
      const [, request] = fields.transferred(wire, at);
      return { type: 'transferred', request };
    }
    case kinds.closed: {
      const [, request] = fields.closed(wire, at);
      return { type: 'closed', request };
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
        algorithm,
        acceptQuorum,
        voters,
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
        algorithm,
        acceptQuorum,
        members: voters,
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
