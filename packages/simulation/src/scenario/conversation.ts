/**
 * What the clients of a scenario ask and are told, as lines to read and as a history to check.
 */
import type { Client, Consistency, Session } from '@quorate/consensus';
import { CodedError, encodeValue, hasCode, optionInvalid } from '@quorate/core';
import { HistoryRecorder } from '../history-recorder.ts';
import { NULL_VALUE } from '../history-value.ts';
import { checkLinearizability } from '../linearizability.ts';
import type { RegisterAnswer, RegisterAudit, RegisterCommand, RegisterQuery } from '../registers.ts';

type RegisterSession = Session<RegisterCommand, RegisterQuery, boolean | null, RegisterAnswer>;

/** A register and what to put there; `x 1` writes 1 into x. */
export interface Put {
  readonly key: string;
  readonly value: number;
}

export interface Call {
  readonly client: string;
  readonly timeoutMs: number;
}

export class Conversation {
  readonly #history = new HistoryRecorder({ keys: { nameOf: (id) => String.fromCharCode(id) } });
  readonly #clientFor: (name: string) => Promise<Client>;
  readonly #say: (line: string) => void;
  readonly #sessions = new Map<string, RegisterSession>();
  /** Ids of commands whose client was told that they took effect; that they did not and never will. */
  readonly #acknowledged = new Set<number>();
  readonly #refused = new Set<number>();
  readonly #puts = new Map<string, RegisterCommand>();
  #lastId = 0;
  /** Calls without an outcome yet. */
  open = 0;

  constructor(clientFor: (name: string) => Promise<Client>, say: (line: string) => void) {
    this.#clientFor = clientFor;
    this.#say = say;
  }

  get acknowledgedCount(): number {
    return this.#acknowledged.size;
  }

  put(call: Call, { key, value }: Put, says = true): Promise<void> {
    this.#lastId += 1;
    const id = this.#lastId;
    const operation = this.#history.invokeWrite(id, idOf(key), value);
    const command = ['write', id, idOf(key), value] as const;
    this.#puts.set(`${key} ${value}`, command);
    return this.#command({ call, command, operation, id, line: says ? `put ${key} ${value}` : undefined });
  }

  cas(call: Call, { key, value, from }: Put & { readonly from: number | null }): Promise<void> {
    this.#lastId += 1;
    const id = this.#lastId;
    const operation = this.#history.invokeCas(id, idOf(key), from ?? NULL_VALUE, value);
    const command = ['cas', id, idOf(key), from, value] as const;
    const line = `cas ${key} ${from ?? 'nothing'} ${value}`;
    return this.#command({ call, command, operation, id, line });
  }

  /** Reads that promise less than linearizability stand in the transcript only. */
  async get(call: Call, key: string, consistency: Consistency): Promise<void> {
    this.#lastId += 1;
    const isStrong = consistency === 'linearizable' || consistency === 'lease';
    const operation = isStrong ? this.#history.invokeRead(this.#lastId, idOf(key)) : undefined;
    const line = consistency === 'linearizable' ? `get ${key}` : `get ${key} ${consistency}`;
    const session = await this.#session(call.client);
    this.open += 1;
    try {
      const value = (await session.query(['read', idOf(key)], {
        timeoutMs: call.timeoutMs,
        consistency,
      })) as number | null;
      if (operation !== undefined) this.#history.ok(operation, value ?? NULL_VALUE);
      this.#tell(call, line, String(value ?? 'nothing'));
    } catch (error) {
      if (operation !== undefined) this.#history.fail(operation);
      this.#tell(call, line, codeOf(error));
    } finally {
      this.open -= 1;
    }
  }

  /** The bytes of a put as they stand in every log that holds it. @throws CodedError ERR_OPTION_INVALID */
  bytesOf({ key, value }: Put): Uint8Array {
    const command = this.#puts.get(`${key} ${value}`);
    if (command === undefined) throw optionInvalid('put', `${key} ${value}`, 'a put of this scenario');
    return encodeValue(command);
  }

  /** @returns what is wrong with what the clients were told, or undefined */
  judgeHistory(): string | undefined {
    const verdict = checkLinearizability(this.#history.history(), 'cas-register');
    if (verdict.linearizable === true) return undefined;
    return `the history is not linearizable: ${verdict.explanation}`;
  }

  /** @returns what this state lacks or has too much of, given what clients were told */
  judgeState({ applied }: RegisterAudit): string | undefined {
    const counts = new Map(applied);
    for (const [id, count] of counts) {
      if (count !== 1) return `command ${id} was applied ${count} times`;
      if (this.#refused.has(id)) return `command ${id} was refused for good and then applied`;
    }
    const lost = [...this.#acknowledged].find((id) => !counts.has(id));
    return lost === undefined ? undefined : `command ${lost} was acknowledged and is lost`;
  }

  async #command(asked: {
    readonly call: Call;
    readonly command: RegisterCommand;
    readonly operation: number;
    readonly id: number;
    readonly line: string | undefined;
  }): Promise<void> {
    const { call, command, operation, id, line } = asked;
    const session = await this.#session(call.client);
    this.open += 1;
    try {
      const result = await session.propose(command, { timeoutMs: call.timeoutMs });
      this.#history.ok(operation, result === false ? 0 : 1);
      this.#acknowledged.add(id);
      this.#tell(call, line, result === false ? 'no match' : 'ok');
    } catch (error) {
      if (hasCode(error, 'ERR_OUTCOME_UNKNOWN')) {
        this.#history.info(operation);
        this.#tell(call, line, 'outcome unknown');
      } else {
        this.#history.fail(operation);
        this.#refused.add(id);
        this.#tell(call, line, codeOf(error));
      }
    } finally {
      this.open -= 1;
    }
  }

  #tell({ client }: Call, line: string | undefined, outcome: string): void {
    if (line !== undefined) this.#say(`client ${client}: ${line} -> ${outcome}`);
  }

  async #session(client: string): Promise<RegisterSession> {
    const known = this.#sessions.get(client);
    if (known !== undefined) return known;
    const session = (await this.#clientFor(client)).session() as RegisterSession;
    this.#sessions.set(client, session);
    return session;
  }
}

/** Registers are numbered; scenarios call them by letters. */
function idOf(key: string): number {
  return key.charCodeAt(0);
}

function codeOf(error: unknown): string {
  if (!(error instanceof CodedError)) throw error;
  return error.code;
}
