/**
 * A change of the epoch, with the power of one node failing in the middle of one of its writes to the disk.
 *
 * Whoever calls this goes through the nodes and their writes, so that the crash comes at every moment that leaves
 * something else on the disk. A client writes all the while. Whatever was struck when: the change has happened for
 * all or for none and can then be ordered again, and nothing that was acknowledged is lost or doubled.
 */
import { CodedError, type ErrorCode, type NodeId } from '@quorate/core';
import { ScenarioFailure, Stage } from '../src/scenario/stage.ts';
import { type Change, carryOut } from '../src/scenario/verbs/epochs.ts';
import { perform } from '../src/scenario/vocabulary.ts';

export interface ChangeUnderTest {
  /** What the cluster of a, b and c begins with. */
  readonly algorithm: string;
  readonly change: Change;
}

export interface Struck {
  /** False: the change was over before the node had written so often. */
  readonly didCrash: boolean;
  /** What does not hold; undefined if all does. */
  readonly failure: string | undefined;
  /** The epoch that the change was answered with, or the code of its error. */
  readonly answer: number | ErrorCode;
}

const founders = ['a', 'b', 'c'];
const changeMs = 5_000;
/** What follows a change: those who were late write down that they have come along. */
const aftermathMs = 40;
const downMs = 20;
/** No write takes longer. */
const writeMsMax = 2;

/** @param crash which node is struck, in which of its writes from the order on */
export async function changeWithCrash(
  { algorithm, change }: ChangeUnderTest,
  crash: { readonly node: string; readonly write: number },
): Promise<Struck> {
  const stage = new Stage(algorithm, {});
  stage.settings.seed = crash.write;
  const run = new StruckChange(stage, change, crash.node as NodeId);
  try {
    await run.toTheEnd(crash.write);
  } catch (error) {
    if (!(error instanceof ScenarioFailure)) throw error;
    return { ...run, failure: error.message };
  }
  return { ...run, failure: undefined };
}

class StruckChange {
  didCrash = false;
  answer: number | ErrorCode = 'ERR_OUTCOME_UNKNOWN';
  readonly #stage: Stage;
  readonly #change: Change;
  readonly #node: NodeId;
  #isAnswered = false;

  constructor(stage: Stage, change: Change, node: NodeId) {
    this.#stage = stage;
    this.#change = change;
    this.#node = node;
  }

  async toTheEnd(write: number): Promise<void> {
    const stage = this.#stage;
    await perform(stage, `cluster ${founders.join(' ')}`);
    await perform(stage, 'lead a');
    await perform(stage, 'client 3: put x 1');
    stage.beginLoad('3');
    this.#admitJoiners();
    stage.cluster.crashAtWrite(this.#node, write);
    this.#order();
    await this.#untilAnswered();
    if (!this.didCrash) await this.#aftermath();
    await this.#judge();
    await stage.endLoad();
    await perform(stage, 'expect replicas agree within 5s');
    stage.judge();
  }

  /** They are there before the order, so that their first write can be struck. */
  #admitJoiners(): void {
    const { cluster, algorithm } = this.#stage;
    const members = founders as NodeId[];
    for (const name of this.#change.members ?? []) {
      if (!cluster.members.includes(name))
        cluster.admit(name, { number: 1, algorithm, members, acceptQuorum: undefined });
    }
  }

  #order(): void {
    this.#stage.speaker = '2';
    this.#isAnswered = false;
    carryOut(this.#stage, this.#change, changeMs).then(
      (epoch) => this.#answered(epoch),
      (error: unknown) => {
        if (!(error instanceof CodedError)) throw error;
        this.#answered(error.code);
      },
    );
  }

  #answered(answer: number | ErrorCode): void {
    this.answer = answer;
    this.#isAnswered = true;
  }

  async #untilAnswered(): Promise<void> {
    const stage = this.#stage;
    await stage.until(() => this.#isAnswered || this.#isDown, 2 * changeMs, 'the change is answered');
    if (this.#isDown) await this.#revive();
    await stage.until(() => this.#isAnswered, 2 * changeMs, 'the change is answered');
  }

  /** The strike may still come, and after that it does not. */
  async #aftermath(): Promise<void> {
    const { cluster } = this.#stage;
    await this.#stage.run(aftermathMs);
    if (!this.#isGone && !this.#isDown) cluster.node(this.#node).strikeAtWrite(undefined);
    // The write that it strikes may have begun.
    await this.#stage.run(writeMsMax);
    if (this.#isDown) await this.#revive();
  }

  async #judge(): Promise<void> {
    const stage = this.#stage;
    const isCertain = this.answer !== 'ERR_OUTCOME_UNKNOWN';
    await stage.until(() => new Set(this.#epochs()).size === 1, 3_000, 'all are in one epoch');
    const [epoch] = this.#epochs();
    if (isCertain && epoch !== (typeof this.answer === 'number' ? this.answer : 1))
      throw new ScenarioFailure(`the change was answered ${this.answer}, and all are in epoch ${epoch}`);
    if (epoch === 1) {
      this.#order();
      await this.#untilAnswered();
      if (this.answer !== 2) throw new ScenarioFailure(`ordered again, it was answered ${this.answer}`);
    }
    stage.takeLines();
    await perform(stage, 'client 3: put y 2');
    const [line] = stage.takeLines();
    if (line !== 'client 3: put y 2 -> ok') throw new ScenarioFailure(`afterwards: ${line}`);
  }

  #epochs(): readonly (number | undefined)[] {
    return this.#stage.cluster.nodes.map(({ opened }) => opened?.replica.status().epoch);
  }

  /** The node has left the cluster with the change: nobody starts it again. */
  get #isGone(): boolean {
    return !this.#stage.cluster.members.includes(this.#node);
  }

  get #isDown(): boolean {
    return !this.#isGone && this.#stage.cluster.node(this.#node).runtime === undefined;
  }

  async #revive(): Promise<void> {
    const { cluster } = this.#stage;
    this.didCrash = true;
    await this.#stage.run(downMs);
    if (!this.#isDown) return;
    cluster.revive(this.#node);
    const isBack = (): boolean => this.#isGone || cluster.node(this.#node).opened !== undefined;
    await this.#stage.until(isBack, 1_000, `${this.#node} is open again`);
  }
}
