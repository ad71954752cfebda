export { buildPolicy, buildPolicyWithReport } from './build/build-policy.ts';
export type { BuildStep, PolicyBuild, PolicyBuildOptions } from './build/build-policy.ts';
export { defaultCacheDir } from './build/cache-dir.ts';
export { BuildError } from './build/errors.ts';
export type { BuildErrorCode } from './build/errors.ts';
export { buildPolicyFolder } from './build/policy-folder.ts';
export type { PolicyFolderOptions } from './build/policy-folder.ts';
