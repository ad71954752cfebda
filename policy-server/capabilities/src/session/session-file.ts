import { messageOf } from '@portcullis/protocol';
import { parseYaml, stringifyYaml, type YamlNode } from '@portcullis/artifact';
import type { JsonValue } from '@portcullis/protocol';
import { CapabilityError } from '../errors.ts';
import type { CapabilityRequest } from '../request.ts';
import { formatRequest, parseRequest } from './request-text.ts';

/** One question a policy asked and what it was told. */
export interface Exchange {
  readonly request: CapabilityRequest;
  readonly response: ExchangeResponse;
}

export type ExchangeResponse =
  | { readonly type: 'Success'; readonly payload: string }
  | { readonly type: 'Error'; readonly message: string };

/** Writes a session file. */
export function formatSession(exchanges: readonly Exchange[]): string {
  return stringifyYaml(
    exchanges.map(
      ({ request, response }) =>
        new Map<string, YamlNode>([
          ['type', 'Exchange'],
          ['request', formatRequest(request)],
          ['response', new Map(Object.entries(response))],
        ]),
    ),
  );
}

/**
 * Reads a session file. An empty file is an empty session.
 *
 * @param name - of the file, for error messages.
 * @throws CapabilityError `session-invalid`
 */
export function parseSession(text: string, name: string): Exchange[] {
  const value = readFile(text, name);
  if (value === null) return [];
  if (!Array.isArray(value)) throw invalid(name, 'expected a list of exchanges');
  return value.map((item, index) => {
    try {
      return exchangeFrom(item);
    } catch (error) {
      throw invalid(`${name}: exchange ${index + 1}`, messageOf(error));
    }
  });
}

/** Requests, payloads and messages are text, whatever they look like. */
const TEXT_PATHS = new Set(['request', 'response.payload', 'response.message', 'response.type']);

function readFile(text: string, name: string): JsonValue {
  try {
    return parseYaml(text, {
      duplicateKeys: 'last-wins',
      textAt: (path) => (TEXT_PATHS.has(path.slice(1).join('.')) ? 'always' : 'never'),
    }).value;
  } catch (error) {
    throw invalid(name, messageOf(error));
  }
}

function exchangeFrom(item: JsonValue): Exchange {
  if (!(item instanceof Map)) throw new Error('expected a map with request and response');
  const request = textMember(item, 'request');
  const response = item.get('response');
  if (!(response instanceof Map)) throw new Error('missing field `response`');
  return { request: requestFrom(request), response: responseFrom(response) };
}

function requestFrom(text: string): CapabilityRequest {
  try {
    return parseRequest(text);
  } catch (error) {
    throw new Error(`request: ${messageOf(error)}`, { cause: error });
  }
}

function responseFrom(response: Map<string, JsonValue>): ExchangeResponse {
  const type = textMember(response, 'type');
  switch (type) {
    case 'Success':
      return { type, payload: textMember(response, 'payload') };
    case 'Error':
      return { type, message: textMember(response, 'message') };
    default:
      throw new Error(`response.type: unknown variant \`${type}\`, expected \`Success\` or \`Error\``);
  }
}

function textMember(map: Map<string, JsonValue>, key: string): string {
  const value = map.get(key);
  if (value === undefined) throw new Error(`missing field \`${key}\``);
  if (typeof value !== 'string') throw new Error(`${key}: expected a string`);
  return value;
}

function invalid(where: string, detail: string): CapabilityError {
  return new CapabilityError('session-invalid', `cannot use the recorded session ${where}: ${detail}`);
}
