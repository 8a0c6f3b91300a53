/**
 * Back-pressure: what a replica does when its state machine is slower than its log.
 *
 * Whatever is committed and not applied yet waits in memory, so it must be bounded. A leader takes nothing
 * new while its own state is too far behind: clients are told to come again, and everybody whose machine is
 * as fast keeps up with it. A replica whose machine is slower than its leader's lets messages of its peers
 * go by: to them it is a peer behind a bad link, which every protocol survives. They send less until it
 * answers again, and once they have forgotten what it lacks, a snapshot takes the place of what waits.
 */

/** Whether a leader may propose more, with so many payload bytes waiting to be applied. */
export function mayPropose(waitingBytes: number, waitingBytesMax: number): boolean {
  return waitingBytes <= waitingBytesMax;
}

/**
 * Whether a replica may take in what could make more wait. Twice as far away as the leader's bound: what a
 * leader has under way when it reaches its own must find room here.
 */
export function mayListen(waitingBytes: number, waitingBytesMax: number): boolean {
  return waitingBytes <= 2 * waitingBytesMax;
}
