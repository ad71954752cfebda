import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface ProcessUsage {
  /** User and system time of all threads since the start. */
  readonly cpuMs: number;
  readonly rssMb: number;
}

/** Ticks per second in which Linux counts CPU time. */
let ticksPerSecond: number | undefined;

/** CPU and memory of a process; `undefined` where there is no /proc, or no such process. */
export function processUsage(pid: number): ProcessUsage | undefined {
  try {
    return { cpuMs: cpuMs(readFileSync(`/proc/${pid}/stat`, 'latin1')), rssMb: rssMb(pid) };
  } catch {
    return undefined;
  }
}

/** proc(5): the name in parentheses may hold anything, so fields are counted from the last one; utime and stime are 14 and 15. */
function cpuMs(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  ticksPerSecond ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond;
}

function rssMb(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  return Number(kilobytes) / 1024;
}
