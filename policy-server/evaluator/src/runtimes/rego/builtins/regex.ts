import { messageOf } from '@portcullis/protocol';
import { type Matcher, RE2JS } from 're2js';
import { countStep } from '../interruption.ts';
import type { RegoValue } from '../value.ts';
import { type Builtin, type BuiltinContext, BuiltinError, checkSize, countOperand, stringOperand } from './builtin.ts';
import { globsIntersect } from './glob-intersection.ts';

/** Regular expressions in Go's syntax, matched in linear time: neither patterns nor texts can be trusted. */
export const regexBuiltins: Readonly<Record<string, Builtin>> = {
  'regex.split': (operands) => split(compile(stringOperand(operands, 0)), stringOperand(operands, 1)),
  'regex.find_n': (operands) => {
    const text = stringOperand(operands, 1);
    const count = countOperand(operands, 2);
    return findAll(compile(stringOperand(operands, 0)), text, count).map(([start = 0, end = 0]) =>
      text.slice(start, end),
    );
  },
  'regex.find_all_string_submatch_n': (operands) => {
    const text = stringOperand(operands, 1);
    const count = countOperand(operands, 2);
    return findAll(compile(stringOperand(operands, 0)), text, count).map((match) => groupsOf(text, match));
  },
  'regex.replace': (operands, context) => {
    const pattern = compile(stringOperand(operands, 1));
    return replace(stringOperand(operands, 0), { pattern, template: stringOperand(operands, 2), context });
  },
  'regex.template_match': (operands) => {
    const start = delimiter(stringOperand(operands, 2), 'start');
    const end = delimiter(stringOperand(operands, 3), 'end');
    const pattern = compile(templatePattern(stringOperand(operands, 0), start, end));
    return matcherOf(pattern, stringOperand(operands, 1)).find();
  },
  'regex.globs_match': (operands) => globsIntersect(stringOperand(operands, 0), stringOperand(operands, 1)),
};

/** Same bound as OPA's cache. */
const CACHE_SIZE = 100;
/** Programs grow with their pattern, and every step of a match with the program. */
const MAX_PATTERN_LENGTH = 16_384;
const cache = new Map<string, RE2JS>();

function compile(pattern: string): RE2JS {
  const known = cache.get(pattern);
  if (known !== undefined) return known;
  if (pattern.length > MAX_PATTERN_LENGTH) {
    throw new BuiltinError(`the regular expression is longer than ${MAX_PATTERN_LENGTH} characters`);
  }
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(pattern);
  } catch (error) {
    throw new BuiltinError(messageOf(error));
  }
  if (cache.size >= CACHE_SIZE) cache.delete(cache.keys().next().value ?? '');
  cache.set(pattern, compiled);
  return compiled;
}

/** Short texts are done with before anyone could ask to stop. */
const MAX_UNWATCHED_LENGTH = 4096;

/** Every step of a match reads a character: the one place where a match, which may take seconds, can be stopped. */
class WatchedText extends String {
  override charCodeAt(index: number): number {
    countStep();
    return super.charCodeAt(index);
  }
}

function matcherOf(pattern: RE2JS, text: string): Matcher {
  // The library takes String objects as well as primitive texts, though its types know only these.
  const input: unknown = text.length > MAX_UNWATCHED_LENGTH ? new WatchedText(text) : text;
  return pattern.matcher(input as string);
}

/** Offsets of a match and its groups: start and end of each, −1 where a group took no part. */
type Match = readonly number[];

/** Go's FindAll: an empty match right behind another match does not count. `limit` < 0 means all. */
function findAll(pattern: RE2JS, text: string, limit: number): Match[] {
  const matcher = matcherOf(pattern, text);
  const groups = pattern.groupCount();
  const found: Match[] = [];
  let previousEnd = -1;
  for (let at = 0; at <= text.length && (limit < 0 || found.length < limit);) {
    countStep();
    if (!matcher.find(at)) break;
    const [start, end] = [matcher.start(), matcher.end()];
    if (end > at || start !== previousEnd) found.push(offsets(matcher, groups));
    at = end > at ? end : at + ((text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1);
    previousEnd = end;
  }
  return found;
}

function offsets(matcher: Matcher, groups: number): Match {
  const numbers: number[] = [];
  for (let group = 0; group <= groups; group++) numbers.push(matcher.start(group), matcher.end(group));
  return numbers;
}

function groupsOf(text: string, match: Match): string[] {
  const groups: string[] = [];
  for (let i = 0; i < match.length; i += 2) groups.push(groupText(text, match, i / 2));
  return groups;
}

function groupText(text: string, match: Match, group: number): string {
  const start = match[group * 2] ?? -1;
  return start < 0 ? '' : text.slice(start, match[group * 2 + 1]);
}

function split(pattern: RE2JS, text: string): RegoValue {
  if (text === '' && pattern.pattern() !== '') return [''];
  const pieces: string[] = [];
  let begin = 0;
  let end = 0;
  for (const [matchStart = 0, matchEnd = 0] of findAll(pattern, text, -1)) {
    end = matchStart;
    if (matchEnd !== 0) pieces.push(text.slice(begin, end));
    begin = matchEnd;
  }
  if (end !== text.length) pieces.push(text.slice(begin));
  return pieces;
}

interface Replacement {
  readonly pattern: RE2JS;
  readonly template: string;
  readonly context: BuiltinContext;
}

function replace(text: string, { pattern, template, context }: Replacement): string {
  const names = pattern.namedGroups();
  const parts: string[] = [];
  let size = text.length;
  let lastEnd = 0;
  for (const match of findAll(pattern, text, -1)) {
    const expanded = expand(template, names, (group) => groupText(text, match, group));
    size += expanded.length;
    checkSize(size, context);
    parts.push(text.slice(lastEnd, match[0]), expanded);
    lastEnd = match[1] ?? lastEnd;
  }
  return parts.join('') + text.slice(lastEnd);
}

/** Go's Expand: `$1`, `$name`, `${1}`, `${name}`; `$$` is a dollar, unknown groups are empty. */
function expand(template: string, names: Readonly<Record<string, number>>, group: (index: number) => string): string {
  return template.replace(
    /\$(?:(\$)|\{([\p{L}\p{Nd}_]+)\}|([\p{L}\p{Nd}_]+))/gu,
    (_, dollar: string | undefined, braced: string | undefined, bare: string | undefined) => {
      if (dollar !== undefined) return dollar;
      const name = braced ?? bare ?? '';
      if (/^(?:0|[1-9]\d{0,7})$/.test(name)) return group(Number(name));
      return Object.hasOwn(names, name) ? group(names[name] ?? -1) : '';
    },
  );
}

function delimiter(text: string, which: 'start' | 'end'): string {
  const length = Buffer.byteLength(text);
  if (length === 1) return text;
  throw new BuiltinError(`${which} delimiter has to be exactly one character long but is ${length} long`);
}

/** `urn:{.*}:x` → `^urn:(.*):x$`: what stands between the delimiters is a pattern, the rest is literal. */
function templatePattern(template: string, start: string, end: string): string {
  let pattern = '';
  let level = 0;
  let begin = 0;
  for (let i = 0; i < template.length; i++) {
    if (template[i] === start) {
      if (++level !== 1) continue;
      pattern += RE2JS.quote(template.slice(begin, i));
      begin = i + 1;
    } else if (template[i] === end) {
      if (--level < 0) break;
      if (level > 0) continue;
      const inner = template.slice(begin, i);
      compile(`^${inner}$`);
      pattern += `(${inner})`;
      begin = i + 1;
    }
  }
  if (level !== 0) throw new BuiltinError(`unbalanced braces in ${JSON.stringify(template)}`);
  return `^${pattern}${RE2JS.quote(template.slice(begin))}$`;
}
