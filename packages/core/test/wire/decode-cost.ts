/**
 * What it may cost to decode a few kilobytes, damaged as they may be: time of the processor, since a busy machine
 * takes longer, and memory that was asked for, whether anything was ever written to it or not.
 */
import { getHeapStatistics } from 'node:v8';

/** Each is far more than any decoder needs. */
const processorMsMax = 1_000;
const askedBytesMax = 32 * 2 ** 20;
/** By how much the process may have grown at its largest, garbage and all, over a whole run. */
const grownBytesMax = 400 * 2 ** 20;

/** Begins to count; what it returns says which bound was exceeded since, or undefined. */
export function countCost(): () => string | undefined {
  const bytesBefore = heldBytes();
  const timeBefore = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(timeBefore);
    const tookMs = (user + system) / 1_000;
    if (tookMs > processorMsMax) return `took ${tookMs} ms of the processor`;
    // A collection in between makes it less, and never more.
    const asked = heldBytes() - bytesBefore;
    return asked > askedBytesMax ? `asked for ${asked} bytes` : undefined;
  };
}

/** Begins to watch a whole run; what it returns says whether the process grew too much since, or undefined. */
export function watchGrowth(): () => string | undefined {
  const before = peakBytes();
  return () => {
    const grown = peakBytes() - before;
    return grown > grownBytesMax ? `the process grew by ${grown} bytes` : undefined;
  };
}

function heldBytes(): number {
  const { external_memory, used_heap_size } = getHeapStatistics();
  return external_memory + used_heap_size;
}

/** The most memory that the process ever had: what was given back is counted too. */
function peakBytes(): number {
  return process.resourceUsage().maxRSS * 1_024;
}
