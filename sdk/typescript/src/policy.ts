import type { AdmissionRequest } from './admission-request.ts';
import type { HostClient } from './host/host-client.ts';
import type { Log } from './host/log.ts';
import { object } from './settings/collections.ts';
import type { Schema } from './settings/schema.ts';
import { parseSettings } from './settings/schema.ts';
import type { Verdict } from './verdict.ts';

/** What a policy can reach besides the request. There is no clock, no network and no file system in a policy. */
export interface PolicyContext<Settings> {
  readonly settings: Settings;
  readonly host: HostClient;
  readonly log: Log;
}

/** A policy ready to be built or tested; made by `definePolicy`. */
export interface Policy {
  /** What `mutate` replaces: the object of an AdmissionRequest, or the whole of a raw request. */
  readonly input: 'kubernetes' | 'raw';
  /** @throws SettingsError with every problem found. */
  parseSettings(value: unknown): unknown;
  validate(request: unknown, context: PolicyContext<unknown>): Verdict;
}

/** Settings of a policy that declares none. */
export type NoSettings = Record<never, never>;

export interface PolicyDefinition<Settings, Resource> {
  /**
   * What the policy can be told; also answers `validate_settings`.
   *
   * @default no settings: any key is refused
   */
  readonly settings?: Schema<Settings>;
  /** Must answer at once: policies have no event loop, and a promise is refused. */
  validate(request: AdmissionRequest<Resource>, context: PolicyContext<Settings>): Verdict<Resource>;
}

export interface RawPolicyDefinition<Settings, Request> {
  readonly settings?: Schema<Settings>;
  validate(request: Request, context: PolicyContext<Settings>): Verdict<Request>;
}

/**
 * Defines a policy over AdmissionRequests. Types follow from the schema and from the annotation of `request`.
 *
 * @example
 * ```ts
 * export const policy = definePolicy({
 *   settings: schema.object({ allowed: schema.boolean().default(false) }),
 *   validate(request: AdmissionRequest<Pod>, { settings }) {
 *     return settings.allowed ? accept() : deny('nothing is allowed');
 *   },
 * });
 * ```
 */
export function definePolicy<Settings = NoSettings, Resource = unknown>(
  definition: PolicyDefinition<Settings, Resource>,
): Policy {
  const settings: Schema<unknown> = definition.settings ?? object({});
  return {
    input: 'kubernetes',
    parseSettings: (value) => parseSettings(settings, value),
    // The types were checked where the policy was defined; settings come from `parseSettings` of the same schema.
    validate: (request, context) =>
      definition.validate(request as AdmissionRequest<Resource>, context as PolicyContext<Settings>),
  };
}

/** Defines a policy over raw requests (`/validate_raw`): any JSON, with the meaning its sender gives it. */
export function defineRawPolicy<Settings = NoSettings, Request = unknown>(
  definition: RawPolicyDefinition<Settings, Request>,
): Policy {
  const settings: Schema<unknown> = definition.settings ?? object({});
  return {
    input: 'raw',
    parseSettings: (value) => parseSettings(settings, value),
    validate: (request, context) => definition.validate(request as Request, context as PolicyContext<Settings>),
  };
}
