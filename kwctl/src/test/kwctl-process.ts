import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { METADATA_SECTION, parseJson, replaceCustomSection } from '@portcullis/protocol';
import { admissionReview, guestModule, type GuestName } from '@portcullis/testkit';

export const KWCTL = fileURLToPath(new URL('../../bin/kwctl.js', import.meta.url));

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Call {
  cwd: string;
  stdin?: string;
  env?: Record<string, string>;
}

/** Runs the real program as a user would. */
export async function kwctl(args: readonly string[], { cwd, stdin = '', env = {} }: Call): Promise<Outcome> {
  const child = spawn(process.execPath, [KWCTL, ...args], {
    cwd,
    env: { PATH: process.env['PATH'] ?? '', HOME: cwd, XDG_CACHE_HOME: join(cwd, 'cache'), ...env },
  });
  const outcome: Outcome = { code: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (outcome.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (outcome.stderr += text));
  child.stdin.on('error', () => {}).end(stdin);
  outcome.code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject).on('close', resolve);
  });
  return outcome;
}

/** At most two at a time: that is how many cores a small machine has. */
export async function forEachTwoAtOnce<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const queue = Array.from(items);
  const lane = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all([lane(), lane()]);
}

export const REVIEW = await admissionReview('pod-create');
export const UID = (() => {
  const request = (parseJson(REVIEW) as Map<string, unknown>).get('request');
  return String(request instanceof Map ? request.get('uid') : '');
})();

/** A folder with a request and the guests asked for. */
export async function folder(
  t: { testdir(fixture: Record<string, string>): string },
  ...guests: GuestName[]
): Promise<string> {
  const dir = t.testdir({});
  writeFileSync(join(dir, 'review.json'), REVIEW);
  for (const guest of guests) writeFileSync(join(dir, `${guest}.wasm`), await guestModule(guest));
  return dir;
}

export function line(allowed: boolean, middle = ''): string {
  return `{"uid":"${UID}","allowed":${allowed}${middle},"auditAnnotations":null,"warnings":null}\n`;
}

/** A copy of a policy whose metadata says something else. */
export function withMetadata(bytes: Uint8Array, change: Record<string, unknown>): Uint8Array {
  const { contextAwareResources = [], ...rest } = change;
  const metadata = { protocolVersion: 'v1', rules: [], mutating: true, contextAwareResources, ...rest };
  return replaceCustomSection(bytes, METADATA_SECTION, Buffer.from(JSON.stringify(metadata)));
}

/** A copy of a policy that was never annotated. */
export function withoutMetadata(bytes: Uint8Array): Uint8Array {
  const empty = replaceCustomSection(bytes, METADATA_SECTION, new Uint8Array());
  // The section was put at the end: id, size, length of the name, name.
  return empty.slice(0, empty.length - (3 + METADATA_SECTION.length));
}
