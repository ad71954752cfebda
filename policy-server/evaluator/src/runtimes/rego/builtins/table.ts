import type { Builtin } from './builtin.ts';
import { collectionBuiltins } from './collection.ts';
import { digestBuiltins } from './digest.ts';
import { encodingBuiltins } from './encoding.ts';
import { identifierBuiltins } from './identifier.ts';
import { jsonBuiltins } from './json.ts';
import { netBuiltins } from './net.ts';
import { regexBuiltins } from './regex.ts';
import { semverBuiltins } from './semver.ts';
import { sprintfBuiltins } from './sprintf.ts';
import { textBuiltins } from './text.ts';
import { timeBuiltins } from './time.ts';
import { unitsBuiltins } from './units.ts';
import { yamlBuiltins } from './yaml.ts';

/** Every builtin the host implements; `opa build` compiles the others into the module. */
export const BUILTINS: ReadonlyMap<string, Builtin> = new Map(
  Object.entries({
    ...collectionBuiltins,
    ...digestBuiltins,
    ...encodingBuiltins,
    ...identifierBuiltins,
    ...jsonBuiltins,
    ...netBuiltins,
    ...regexBuiltins,
    ...semverBuiltins,
    ...sprintfBuiltins,
    ...textBuiltins,
    ...timeBuiltins,
    ...unitsBuiltins,
    ...yamlBuiltins,
  }),
);

/** Their names, sorted. */
export const REGO_BUILTIN_NAMES: readonly string[] = [...BUILTINS.keys()].sort();
