/**
 * The entry of a node's worker: builds the runtime, and does what the control plane asks.
 *
 * A broken invariant or any other uncaught error ends the worker; the app's thread hears of it as
 * `node-down`. Nothing here tries to live on in a state that cannot be trusted.
 */
import { parentPort, workerData } from 'node:worker_threads';
import * as comlink from 'comlink';
import { isActorDefinition, type SpawnOptions } from '../behavior.ts';
import { systemClock } from '../clock.ts';
import { errorToData } from '../coded-error.ts';
import { invariant } from '../invariant.ts';
import { silentLog } from '../log.ts';
import { loadModule, moduleInvalid } from '../module-loading.ts';
import { NodeRuntime } from '../node-runtime.ts';
import { seededRandom } from '../random.ts';
import {
  type NodeControl,
  type NodeSettings,
  outcomeOf,
  outcomeOfAsync,
  pauseBlocked,
  pauseWanted,
  type ReportSink,
} from './control.ts';
import { endpointOf } from './endpoint.ts';
import { Reporter, shownLetter } from './reporter.ts';
import { Wiring } from './wiring.ts';

invariant(parentPort !== null, 'worker-entry runs in a worker');
const settings = workerData as NodeSettings;
const { node, incarnation, pauseFlags } = settings;

const sink = comlink.wrap<ReportSink>(endpointOf(settings.reports));
const reporter = new Reporter((reports) => sink.take(reports));
const runtime = new NodeRuntime({
  node,
  clock: systemClock,
  random: seededRandom(settings.seed).fork(`${node}#${incarnation}`),
  log: settings.isLogging ? reporter.log() : silentLog,
  limits: settings.limits,
  onDeadLetter: (letter) => reporter.report({ type: 'dead-letter', letter: shownLetter(letter) }),
  onActorFailed: (failure) => reporter.report({ type: 'actor-failed', failure }),
  onFrameInvalid: (peer, error) =>
    reporter.report({ type: 'frame-invalid', peer, error: errorToData(error) }),
});
const wiring = new Wiring(runtime);

async function spawn(name: string, moduleUrl: string, options: SpawnOptions): Promise<void> {
  const { default: definition } = await loadModule(moduleUrl);
  if (!isActorDefinition(definition)) {
    throw moduleInvalid(moduleUrl, 'has no default export made by defineActor');
  }
  runtime.spawn(name, definition, options);
  await runtime.started(name);
}

function blockWhilePaused(): void {
  Atomics.store(pauseFlags, pauseBlocked, 1);
  Atomics.notify(pauseFlags, pauseBlocked);
  while (Atomics.load(pauseFlags, pauseWanted) === 1) Atomics.wait(pauseFlags, pauseWanted, 1);
  Atomics.store(pauseFlags, pauseBlocked, 0);
}

async function stop(): Promise<void> {
  await runtime.stop();
  await reporter.drain();
}

const control: NodeControl = {
  ready: () => outcomeOf(() => {}),
  attach: (peer, port, life) => outcomeOf(() => wiring.attach(peer, port, life)),
  peerEnded: (peer, reason) => outcomeOf(() => wiring.ended(peer, reason)),
  setConditions: (peer, conditions) => outcomeOf(() => wiring.setConditions(peer, conditions)),
  spawn: (name, moduleUrl, options) => outcomeOfAsync(() => spawn(name, moduleUrl, options)),
  inspect: () => outcomeOf(() => runtime.inspect()),
  pause: () => outcomeOf(blockWhilePaused),
  stop: () => outcomeOfAsync(stop),
};

comlink.expose(control, endpointOf(parentPort));
