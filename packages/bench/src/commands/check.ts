/** `quorate-bench check`: is a recorded history linearizable? */
import { Command } from 'commander';

export function checkCommand(): Command {
  return new Command('check').description('check recorded histories for linearizability');
}
