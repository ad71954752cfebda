export { type BuildOptions, buildPolicy } from './build.ts';
export { BuildError, type BuildErrorCode } from './errors.ts';
