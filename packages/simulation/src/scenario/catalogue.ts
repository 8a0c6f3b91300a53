/** The catalogue: every scenario there is, as files beside the sources. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { optionInvalid } from '@quorate/core';
import { parseTranscript, renderTranscript, type Transcript } from './transcript.ts';

const folder = new URL('../../scenarios/', import.meta.url);
const extension = '.txt';

/** Sorted, so by number. */
export function scenarioNames(): readonly string[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(extension))
    .map((file) => file.slice(0, -extension.length))
    .sort();
}

/** @throws CodedError ERR_OPTION_INVALID when there is no such scenario */
export function readScenario(name: string): Transcript {
  if (!scenarioNames().includes(name)) throw optionInvalid('scenario', name, scenarioNames().join(', '));
  return parseTranscript(name, readFileSync(new URL(`${name}${extension}`, folder), 'utf8'));
}

/** Writes the scenario with new outputs; somebody must read the difference. */
export function rewriteScenario(transcript: Transcript, outputs: readonly (readonly string[])[]): void {
  writeFileSync(new URL(`${transcript.name}${extension}`, folder), renderTranscript(transcript, outputs));
}
