import { join } from 'node:path';
import { cacheRoot, madeOnce } from './cache.ts';
import { onPath } from './command.ts';
import {
  buildCosign,
  buildDistribution,
  buildEtcd,
  buildKubeApiserver,
  buildOpa,
  buildReferrersRegistry,
  buildSwitchesRegistry,
} from './go-tools.ts';
import { buildRustWasi } from './rust-wasi.ts';

/** A real component that tests run against or build with, made from its published sources and kept by version. */
interface Tool {
  readonly version: string;
  /** Programs without which it cannot be built. */
  readonly needs: readonly string[];
  /** Measured on two cores, for the progress line. */
  readonly minutes: number;
  build(into: string, version: string): Promise<void>;
}

const TOOLS = {
  opa: { version: '1.22.0', needs: ['go'], minutes: 1.5, build: buildOpa },
  etcd: { version: '3.7.3', needs: ['go'], minutes: 0.5, build: buildEtcd },
  'kube-apiserver': { version: '1.37.1', needs: ['go'], minutes: 6, build: buildKubeApiserver },
  'registry-referrers': {
    version: '0.0.0-20251212221603-3adeb8663819',
    needs: ['go'],
    minutes: 0.1,
    build: buildReferrersRegistry,
  },
  'registry-switches': { version: '0.22.1', needs: ['go'], minutes: 0.1, build: buildSwitchesRegistry },
  distribution: { version: '3.1.2', needs: ['go'], minutes: 1.5, build: buildDistribution },
  cosign: { version: '3.1.3', needs: ['go'], minutes: 3, build: buildCosign },
  'rust-wasi': {
    version: '1.96',
    needs: ['cargo', 'rustc', 'apt-get', 'dpkg', 'cc'],
    minutes: 1.5,
    build: buildRustWasi,
  },
} as const satisfies Record<string, Tool>;

export type ToolName = keyof typeof TOOLS;
export const TOOL_NAMES = Object.keys(TOOLS) as ToolName[];

/** Why a tool cannot be had on this machine; tests turn it into a skip with that reason, CI into a failure. */
export class ToolUnavailable extends Error {}

/**
 * Folder of a tool, built first if this machine does not have it yet.
 *
 * @throws ToolUnavailable when the toolchain that builds it is not on this machine.
 */
export async function toolFolder(name: ToolName, progress: (line: string) => void = () => {}): Promise<string> {
  const tool: Tool = TOOLS[name];
  const folder = join(cacheRoot(), 'tools', `${name}-${tool.version}`);
  return madeOnce(folder, async (into) => {
    const missing = tool.needs.filter((program) => !onPath(program));
    if (missing.length > 0)
      throw new ToolUnavailable(`${name} ${tool.version} needs ${missing.join(', ')} on PATH to be built`);
    progress(`building ${name} ${tool.version} (about ${tool.minutes} min, once) …`);
    const startedMs = Date.now();
    await tool.build(into, tool.version);
    progress(`built ${name} ${tool.version} in ${((Date.now() - startedMs) / 1000).toFixed(0)} s`);
  });
}

/**
 * Why a test that needs these tools must be skipped here, or `false`. In CI nothing is skipped: a tool that cannot be had is an
 * error.
 */
export async function missingTool(...names: readonly ToolName[]): Promise<string | false> {
  try {
    for (const name of names) await toolFolder(name);
    return false;
  } catch (error) {
    if (!(error instanceof ToolUnavailable) || process.env['CI'] === 'true') throw error;
    return error.message;
  }
}

/** As `missingTool`, for a program that is looked for on PATH. */
export function missingProgram(program: string): string | false {
  if (onPath(program)) return false;
  const reason = `${program} is not on PATH`;
  if (process.env['CI'] === 'true') throw new Error(reason);
  return reason;
}
