import { EvaluationError, type EvaluationInput, type EvaluationOutcome } from '@portcullis/evaluator';
import {
  JsonError,
  readAdmissionReview,
  readRawReview,
  stringifyAdmissionResponse,
  stringifyAdmissionReview,
  type AdmissionResponse,
} from '@portcullis/protocol';
import type { Log } from '../telemetry/log.ts';
import {
  BODY_TOO_LARGE,
  errorAnswer,
  jsonAnswer,
  requestErrorAnswer,
  textAnswer,
  WRONG_CONTENT_TYPE,
  type AdmissionRoute,
  type Answer,
} from './answer.ts';
import type { BodyFailure } from './body.ts';
import { ClientPatience, type OnClientGone } from './client-patience.ts';
import { createRequestLog, type RequestLog } from './request-log.ts';
import { decodePolicyId, isJsonContentType } from './request-target.ts';

/** Decides one request; the environment of loaded policies has this shape. */
export type Evaluate = (
  id: string,
  origin: 'validate' | 'audit',
  input: EvaluationInput,
  options: { signal?: AbortSignal; deadlineMs?: number },
) => Promise<EvaluationOutcome>;

/** A request as it arrived, without its body. */
export interface AdmissionHead {
  readonly route: AdmissionRoute;
  /** The path segment after the route, still percent-encoded. */
  readonly idSegment: string;
  /** Path and query as sent. */
  readonly target: string;
  readonly contentType: string | undefined;
}

/** The admission API without sockets: a request's parts go in, its answer comes out. */
export interface AdmissionHandler {
  /** The answer to a request that is refused whatever its body says. */
  refuse(head: AdmissionHead): Answer | undefined;
  /** The answer to a request whose body could not be received. */
  refuseBody(head: AdmissionHead, failure: BodyFailure): Answer;
  decide(head: AdmissionHead, body: Uint8Array, onGone?: OnClientGone): Promise<Answer>;
}

export interface AdmissionOptions {
  readonly evaluate: Evaluate;
  readonly log: Log;
  /** Milliseconds, monotonic. */
  readonly nowMs: () => number;
}

/** Status of a log line about a client that went away; nothing is sent. */
const CLIENT_GONE = 499;

/** Makes the handler of `/validate`, `/audit` and `/validate_raw`. */
export function createAdmissionHandler({ evaluate, log, nowMs }: AdmissionOptions): AdmissionHandler {
  const requestLog = createRequestLog(log, nowMs);
  return {
    refuse(head) {
      const answer = refusalOf(head);
      if (answer !== undefined) requestLog.start(head.route, head.idSegment).refused(answer);
      return answer;
    },
    refuseBody(head, failure) {
      const answer = bodyFailureAnswer(head.route, failure);
      requestLog.start(head.route, decodePolicyId(head.idSegment) ?? head.idSegment).refused(answer);
      return answer;
    },
    async decide(head, body, onGone) {
      const policyId = decodePolicyId(head.idSegment) ?? '';
      const line = requestLog.start(head.route, policyId);
      try {
        const input = parseInput(head.route, body);
        return await decideInput(input, { head, policyId, line, evaluate, onGone });
      } catch (error) {
        const answer = failureAnswer(head.route, policyId, error);
        line.refused(answer, answer.status === 500 ? error : undefined);
        return answer;
      }
    },
  };
}

interface Decision {
  readonly head: AdmissionHead;
  readonly policyId: string;
  readonly line: RequestLog;
  readonly evaluate: Evaluate;
  readonly onGone: OnClientGone | undefined;
}

async function decideInput(input: EvaluationInput, decision: Decision): Promise<Answer> {
  const { head, policyId, line, onGone } = decision;
  const origin = head.route === 'audit' ? 'audit' : 'validate';
  using patience = new ClientPatience(head.target, onGone);
  try {
    const outcome = await decision.evaluate(policyId, origin, input, patience.options);
    line.decided(input, outcome, origin);
    return jsonAnswer(200, bodyOf(head.route, outcome.response));
  } catch (error) {
    const isLate = patience.isOver && error instanceof EvaluationError && error.code === 'aborted';
    if (!isLate) throw error;
    const answer = errorAnswer(504, 'The policy did not answer before the timeout the client had set for the request');
    line.refused(answer);
    return answer;
  }
}

function parseInput(route: AdmissionRoute, body: Uint8Array): EvaluationInput {
  return route === 'validate_raw'
    ? { kind: 'raw', request: readRawReview(body) }
    : { kind: 'kubernetes', request: readAdmissionReview(body) };
}

function bodyOf(route: AdmissionRoute, response: AdmissionResponse): string {
  return route === 'validate_raw'
    ? `{"response":${stringifyAdmissionResponse(response)}}`
    : stringifyAdmissionReview(response);
}

function refusalOf(head: AdmissionHead): Answer | undefined {
  if (decodePolicyId(head.idSegment) === undefined) return textAnswer(400, 'Invalid URL: Invalid UTF-8 in `policy_id`');
  if (!isJsonContentType(head.contentType)) return requestErrorAnswer(head.route, 415, WRONG_CONTENT_TYPE);
  return undefined;
}

function bodyFailureAnswer(route: AdmissionRoute, failure: BodyFailure): Answer {
  switch (failure) {
    case 'too-large':
      return requestErrorAnswer(route, 413, BODY_TOO_LARGE);
    case 'overloaded':
      return overloaded('too many request bodies are being received');
    case 'disconnected':
      return errorAnswer(CLIENT_GONE, 'The client closed the connection');
  }
}

function failureAnswer(route: AdmissionRoute, policyId: string, error: unknown): Answer {
  if (error instanceof JsonError) {
    return error.code === 'syntax'
      ? requestErrorAnswer(route, 400, `Failed to parse the request body as JSON: ${error.message}`)
      : requestErrorAnswer(route, 422, `Failed to deserialize the JSON body into the target type: ${error.message}`);
  }
  if (!(error instanceof EvaluationError)) return errorAnswer(500, 'Something went wrong');
  if (error.code === 'unknown-policy') return errorAnswer(404, `unknown policy: ${policyId}`);
  if (error.code === 'overloaded') return overloaded(error.message);
  if (error.code === 'aborted') return bodyFailureAnswer(route, 'disconnected');
  if (error.code === 'closed') return errorAnswer(503, 'The server is shutting down');
  return errorAnswer(500, 'Something went wrong');
}

/** Said at once, before the client's deadline: it can retry elsewhere, which it could not after a time-out. */
function overloaded(reason: string): Answer {
  const answer = errorAnswer(429, `Too many requests: ${reason}. Retry later`);
  return { ...answer, headers: { ...answer.headers, 'retry-after': '1' } };
}
