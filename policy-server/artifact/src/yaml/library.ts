import { createRequire } from 'node:module';
import type * as Yaml from 'yaml';

const require = createRequire(import.meta.url);
let loaded: typeof Yaml | undefined;

/**
 * The YAML library: some seventy modules, loaded with the first document. Reading YAML does not wait, so this does not either;
 * whoever reads none, like most runs of a policy, does not pay for it.
 */
export function yamlLibrary(): typeof Yaml {
  return (loaded ??= require('yaml') as typeof Yaml);
}
