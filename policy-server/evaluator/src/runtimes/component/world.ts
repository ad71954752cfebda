/**
 * The world of `policy.wit`. A new version of that file is a new version here, so that nothing transpiled for the old world
 * is ever taken from a cache.
 */
export const WORLD = 'portcullis:policy/policy@0.1.0';

/** The only interface a policy may import. */
export const HOST_INTERFACE = 'portcullis:policy/host@0.1.0';

/** jco's glue looks imports up without their version. */
export const HOST_INTERFACE_KEY = 'portcullis:policy/host';

/** The one function of the host interface, as jco's options name it. */
export const HOST_CALL = `${HOST_INTERFACE}#call`;

/** Exports that a policy must have, under their WIT names. */
export const REQUIRED_EXPORTS = ['validate', 'validate-settings'] as const;

/** What transpiles components: its version is part of every cache key, because glue depends on it. */
export const JCO_TRANSPILE_VERSION = '0.15.0';
