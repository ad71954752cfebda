import {
  encodeUtf8,
  jsonFrom,
  jsonToPlain,
  parseJson,
  parseSettingsValidationResponse,
  parseValidationResponse,
  stringifyJson,
} from '@portcullis/protocol';
import type { JsonValue, SettingsValidationResponse } from '@portcullis/protocol';
import { createDispatcher } from '../guest/dispatcher.ts';
import type { Dispatcher } from '../guest/dispatcher.ts';
import type { HostTransport } from '../host/transport.ts';
import type { Policy } from '../policy.ts';
import { createModuleGuest } from './module-guest.ts';

/** What a test lets the host answer, by operation: `{ 'kubernetes/get_resource': (request) => ({ … }) }`. Throw to refuse. */
export type HostAnswers = Readonly<Record<string, (request: unknown) => unknown>>;

export interface EvaluationOptions {
  /**
   * An AdmissionRequest or a whole AdmissionReview; for raw policies, the request. As a value, or as JSON text where numbers
   * are to keep their spelling.
   */
  readonly request: unknown;
  /** @default {} */
  readonly settings?: unknown;
  /** @default every host call but logging fails */
  readonly host?: HostAnswers;
}

/** One host call a policy made, logging excluded. */
export interface RecordedHostCall {
  readonly operation: string;
  readonly request: unknown;
}

export interface RecordedLog {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface EvaluationResult {
  readonly accepted: boolean;
  readonly message: string | undefined;
  readonly code: number | undefined;
  /** The whole object the policy wants instead; numbers as JavaScript has them. */
  readonly mutatedObject: unknown;
  readonly warnings: readonly string[];
  readonly auditAnnotations: Readonly<Record<string, string>>;
  readonly hostCalls: readonly RecordedHostCall[];
  readonly logs: readonly RecordedLog[];
  /** What the host receives, byte for byte. */
  readonly responseText: string;
}

/**
 * Runs one evaluation, of a policy as defined or of the module built from it (`Uint8Array`), with the payload a policy server
 * would send. What the policy throws is thrown; a module throws the text of its guest error.
 */
export function evaluatePolicy(policy: Policy | Uint8Array, options: EvaluationOptions): EvaluationResult {
  const hostCalls: RecordedHostCall[] = [];
  const logs: RecordedLog[] = [];
  const guest = createGuest(policy, fakeTransport(options.host ?? {}, hostCalls, logs));
  const payload = new Map([
    ['request', requestOf(options.request)],
    ['settings', jsonFrom(options.settings ?? {})],
  ]);
  const responseText = guest('validate', stringifyJson(payload));
  const response = parseValidationResponse(encodeUtf8(responseText));
  return {
    accepted: response.accepted,
    message: response.message,
    code: response.code,
    mutatedObject: response.mutatedObject === undefined ? undefined : jsonToPlain(response.mutatedObject),
    warnings: response.warnings ?? [],
    auditAnnotations: { ...response.auditAnnotations },
    hostCalls,
    logs,
    responseText,
  };
}

/**
 * The same evaluation of a policy as defined and of the module built from it, so that a test vouches for both.
 *
 * @throws Error with both responses, when they differ in a byte.
 */
export function evaluateBoth(policy: Policy, module: Uint8Array, options: EvaluationOptions): EvaluationResult {
  const defined = evaluatePolicy(policy, options);
  const { responseText } = evaluatePolicy(module, options);
  if (defined.responseText !== responseText) {
    const both = `the policy says ${defined.responseText}, its module ${responseText}`;
    throw new Error(`${both} - build the module again, and do not let the policy depend on clock or chance`);
  }
  return defined;
}

/** What the policy says about settings, as it will be asked when it is loaded. */
export function validateSettings(policy: Policy | Uint8Array, settings: unknown): SettingsValidationResponse {
  const guest = createGuest(policy, fakeTransport({}, [], []));
  return parseSettingsValidationResponse(encodeUtf8(guest('validate_settings', stringifyJson(jsonFrom(settings)))));
}

function createGuest(policy: Policy | Uint8Array, transport: HostTransport): Dispatcher {
  return policy instanceof Uint8Array ? createModuleGuest(policy, transport) : createDispatcher(policy, transport);
}

function requestOf(input: unknown): JsonValue {
  const value = typeof input === 'string' ? parseJson(input) : jsonFrom(input);
  if (!(value instanceof Map)) return value;
  const isReview = value.get('kind') === 'AdmissionReview';
  const request = isReview ? value.get('request') : value;
  // API servers send null for what is not there; policy servers leave it out.
  return request instanceof Map && isReview
    ? new Map([...request].filter(([, member]) => member !== null))
    : (request ?? null);
}

function fakeTransport(answers: HostAnswers, hostCalls: RecordedHostCall[], logs: RecordedLog[]): HostTransport {
  return (_binding, namespace, name, payload) => {
    const operation = `${namespace}/${name}`;
    const request: unknown = JSON.parse(payload);
    if (operation === 'tracing/log') {
      const { level, message, ...fields } = request as { level: string; message: string };
      logs.push({ level, message, fields });
      return '';
    }
    hostCalls.push({ operation, request });
    const answer = Object.hasOwn(answers, operation) ? answers[operation] : undefined;
    if (!answer) throw new Error(`${operation} is not answered in this test - add it to \`host\``);
    return JSON.stringify(answer(request));
  };
}
