import type { EvaluationInput, EvaluationOutcome } from '@portcullis/evaluator';
import type { StatusCause } from '@portcullis/protocol';
import { describeError } from '../errors.ts';
import { bounded } from '../telemetry/bounded.ts';
import { logFor, type Log, type LogFields } from '../telemetry/log.ts';
import type { AdmissionRoute, Answer } from './answer.ts';

/** Longest part of a policy's own words in the line of one request. */
const MAX_MESSAGE_LENGTH = 1024;

/** The log line of one request: exactly one of its methods is called, once. */
export interface RequestLog {
  decided(input: EvaluationInput, outcome: EvaluationOutcome, origin: 'validate' | 'audit'): void;
  /** `error` is what went wrong inside; the client does not get to see it. */
  refused(answer: Answer, error?: unknown): void;
}

/** Writes one line per request: who asked for which policy and what came of it. Never the object, never the settings. */
export function createRequestLog(log: Log, nowMs: () => number) {
  const http = logFor(log, 'policy_server::http');
  return {
    start(route: AdmissionRoute, policyId: string): RequestLog {
      const startedMs = nowMs();
      const common = (): LogFields => ({
        policy_id: policyId,
        route,
        duration_ms: Math.round((nowMs() - startedMs) * 1000) / 1000,
      });
      return {
        decided(input, outcome, origin) {
          if (!log.isEnabled('info')) return;
          if (outcome.mode === 'monitor' && origin === 'validate') {
            http.info('policy evaluation (monitor mode)', { policy_id: policyId, ...vanillaFields(outcome) });
          }
          http.info('request evaluated', { ...common(), ...requestFields(input), ...verdictFields(outcome) });
        },
        refused(answer, error) {
          const fields = { ...common(), status: answer.status };
          if (error === undefined) http.warn('request refused', { ...fields, reason: withoutQuotes(reasonOf(answer)) });
          else http.error('request failed', { ...fields, error: describeError(error) });
        },
      };
    },
  };
}

function verdictFields({ response, vanilla, mode }: EvaluationOutcome): LogFields {
  return {
    request_uid: response.uid,
    allowed: response.allowed,
    accepted: vanilla.accepted,
    mutated: vanilla.mutated,
    mode,
    response_code: response.status?.code ?? vanilla.code,
  };
}

function vanillaFields({ response, vanilla, allowedToMutate }: EvaluationOutcome): LogFields {
  const { accepted, mutated, message, causes, code } = vanilla;
  return {
    request_uid: response.uid,
    accepted,
    mutated,
    allowed_to_mutate: allowedToMutate,
    response_code: code,
    response_message: message && bounded(message, MAX_MESSAGE_LENGTH),
    response_causes: causes && bounded(causes.map(causeText).join('; '), MAX_MESSAGE_LENGTH),
  };
}

function causeText({ field, message }: StatusCause): string {
  return [field, message].filter((part) => part !== null).join(': ');
}

function requestFields(input: EvaluationInput): LogFields {
  if (input.kind === 'raw') return {};
  const { operation, kind, namespace, name } = input.request;
  return { operation, kind, namespace, name };
}

function reasonOf(answer: Answer): string {
  if (answer.headers['content-type'] !== 'application/json') return answer.body;
  const parsed: unknown = JSON.parse(answer.body);
  return typeof parsed === 'object' && parsed !== null && 'message' in parsed ? String(parsed.message) : answer.body;
}

/** Values a parser quotes when it says what it found. */
const QUOTED_VALUE = /\b(string|integer|floating point) (?:"(?:[^"\\]|\\.)*"|`[^`]*`)/g;

/** A reason without what it quotes from the body. */
function withoutQuotes(reason: string): string {
  return reason.replaceAll(QUOTED_VALUE, '$1');
}
