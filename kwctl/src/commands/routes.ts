import type { CommandArguments } from '../command-line/command.ts';
import type { CommandContext } from '../environment.ts';

/** Carries out one command; what it cannot do is thrown. */
export type Command = (given: CommandArguments, context: CommandContext) => Promise<void>;

/** Each command is loaded when it is asked for: `--version` must not wait for the evaluator. */
export const ROUTES: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ['kwctl annotate', async () => (await import('./annotate/annotate.ts')).annotate],
  ['kwctl bench', async () => (await import('./bench/bench.ts')).bench],
  ['kwctl completions', async () => (await import('./completions/completions.ts')).completions],
  ['kwctl digest', async () => (await import('./digest/digest.ts')).digest],
  ['kwctl docs', async () => (await import('./docs/docs.ts')).docs],
  ['kwctl info', async () => (await import('./info/info.ts')).info],
  ['kwctl inspect', async () => (await import('./inspect/inspect.ts')).inspect],
  ['kwctl load', async () => (await import('./load/load.ts')).load],
  ['kwctl policies', async () => (await import('./policies/policies.ts')).policies],
  ['kwctl pull', async () => (await import('./pull/pull.ts')).pull],
  ['kwctl push', async () => (await import('./push/push.ts')).push],
  ['kwctl rm', async () => (await import('./rm/rm.ts')).rm],
  ['kwctl run', async () => (await import('./run/run.ts')).run],
  ['kwctl save', async () => (await import('./save/save.ts')).save],
  [
    'kwctl scaffold admission-request',
    async () => (await import('./scaffold/admission-request/admission-request.ts')).scaffoldAdmissionRequest,
  ],
  [
    'kwctl scaffold artifacthub',
    async () => (await import('./scaffold/artifacthub/artifacthub.ts')).scaffoldArtifacthub,
  ],
  ['kwctl scaffold manifest', async () => (await import('./scaffold/manifest/manifest.ts')).scaffoldManifest],
  ['kwctl scaffold vap', async () => (await import('./scaffold/vap/vap.ts')).scaffoldVap],
  [
    'kwctl scaffold verification-config',
    async () => (await import('./scaffold/verification-config/verification-config.ts')).scaffoldVerificationConfig,
  ],
  ['kwctl verify', async () => (await import('./verify/verify.ts')).verify],
]);
