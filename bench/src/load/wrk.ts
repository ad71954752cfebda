import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onPath, runCommand } from '@portcullis/testkit';
import type { LoadRequest } from './plan.ts';

export interface Saturation {
  readonly answers: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers with a status from 400 on, and connections that failed. */
  readonly failed: number;
}

export interface SaturationPlan {
  readonly host: string;
  readonly port: number;
  readonly requests: readonly LoadRequest[];
  readonly connections: number;
  readonly seconds: number;
}

export function wrkPresent(): boolean {
  return onPath('wrk');
}

/**
 * Closed loop by `wrk`, the cheapest client there is: on two cores every microsecond of the client is one the server does not get.
 * It cannot hold a rate, so it serves saturation only.
 */
export async function runWrk({ host, port, requests, connections, seconds }: SaturationPlan): Promise<Saturation> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-wrk-'));
  try {
    await Promise.all(requests.map(({ body }, index) => writeFile(join(folder, `${index}.json`), body)));
    await writeFile(join(folder, 'script.lua'), script(folder, requests));
    const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '20s', '-s', join(folder, 'script.lua')];
    const output = await runCommand('wrk', [...args, `http://${host}:${port}`], { cwd: folder });
    const line = output.split('\n').findLast((text) => text.startsWith('{')) ?? '';
    return JSON.parse(line) as Saturation;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Requests are put together once; Lua runs for each request. */
function script(folder: string, requests: readonly LoadRequest[]): string {
  const files = requests.map(({ path }, index) => `add(${JSON.stringify(path)}, "${join(folder, `${index}.json`)}")`);
  return `local prepared, turn = {}, 0
local function add(path, file)
  local handle = io.open(file, "rb")
  prepared[#prepared + 1] = { path, handle:read("*a") }
  handle:close()
end
${files.join('\n')}
function init()
  for index, one in ipairs(prepared) do
    prepared[index] = wrk.format("POST", one[1], { ["content-type"] = "application/json" }, one[2])
  end
end
function request()
  turn = turn + 1
  return prepared[turn % #prepared + 1]
end
function done(summary, latency)
  local errors = summary.errors
  local failed = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format('\\n{"answers":%d,"perSecond":%f,"p50Ms":%f,"p99Ms":%f,"failed":%d}\\n', summary.requests,
    summary.requests / (summary.duration / 1e6), latency:percentile(50) / 1000, latency:percentile(99) / 1000, failed))
end
`;
}
