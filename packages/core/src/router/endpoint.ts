/** comlink over the ports of Node, whose events differ from a browser's. The one import of its adapter. */
/// <reference path="./comlink-node-adapter.d.ts" />
import type { MessagePort, Worker } from 'node:worker_threads';
import type { Endpoint } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';

export function endpointOf(port: MessagePort | Worker): Endpoint {
  return nodeEndpoint(port);
}
