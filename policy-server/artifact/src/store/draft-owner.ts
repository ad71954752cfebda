import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/**
 * Who writes a draft, as a part of its name: where process numbers mean the same, number, start, and a number of its own. A draft
 * can be continued by others once it is certain that its owner writes no more.
 */
export function newOwner(): string {
  return [numberSpace(), process.pid, startOf(process.pid) ?? '0', randomBytes(6).toString('hex')].join('-');
}

const OWNER = /^(?<space>[0-9a-f]{12})-(?<pid>\d{1,10})-(?<start>\d{1,20})-[0-9a-f]{12}$/;

/** True only for a process of this machine (and container) that has ended: of any other nothing is known. */
export function hasEnded(owner: string): boolean {
  const { space, pid, start } = OWNER.exec(owner)?.groups ?? {};
  if (space !== numberSpace() || pid === undefined) return false;
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH';
  }
  // Numbers are given out again: another process began at another time.
  const current = startOf(Number(pid));
  return current !== undefined && start !== '0' && current !== start;
}

/** The same text wherever process numbers mean the same processes. */
function numberSpace(): string {
  space ??= createHash('sha256')
    .update(JSON.stringify([hostname(), quietly(() => readlinkSync('/proc/self/ns/pid')), bootId()]))
    .digest('hex')
    .slice(0, 12);
  return space;
}

let space: string | undefined;

function bootId(): string | undefined {
  return quietly(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
}

/** When the process began, in ticks since the machine did: proc(5), field 22, counted from behind the name in parentheses. */
function startOf(pid: number): string | undefined {
  const stat = quietly(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

/** There is no /proc on other systems; then numbers alone have to do. */
function quietly(read: () => string): string | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
