import { RegoNumber, RegoObject, RegoSet, type RegoValue, typeName } from '../value.ts';
import { printValue } from '../value-text.ts';
import { type Builtin, BuiltinError, objectOperand, operand } from './builtin.ts';
import { patchJson } from './json-patch.ts';

export const jsonBuiltins: Readonly<Record<string, Builtin>> = {
  'json.is_valid': (operands) => {
    const text = operand(operands, 0);
    return typeof text === 'string' && isJson(text);
  },
  'json.patch': patchJson,
  'json.marshal_with_options': (operands) => marshal(operand(operands, 0), layoutFrom(objectOperand(operands, 1))),
};

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

interface Layout {
  readonly pretty: boolean;
  readonly prefix: string;
  readonly indent: string;
}

function layoutFrom(options: RegoObject): Layout {
  let pretty: boolean | undefined;
  let prefix: string | undefined;
  let indent: string | undefined;
  for (const [key, value] of options.sorted()) {
    if (key === 'prefix') prefix = text(value, 'prefix');
    else if (key === 'indent') indent = text(value, 'indent');
    else if (key === 'pretty' && typeof value === 'boolean') pretty = value;
    else if (key === 'pretty') throw new BuiltinError('operand 2 key pretty failed cast to bool');
    else throw new BuiltinError(`operand 2 object contained unknown key ${printValue(key, 'rego')}`);
  }
  const implied = prefix !== undefined || indent !== undefined;
  return { pretty: pretty ?? implied, prefix: prefix ?? '', indent: indent ?? '\t' };
}

function text(value: RegoValue, key: string): string {
  if (typeof value === 'string') return value;
  throw new BuiltinError(`operand 2 key ${key} failed cast to string: must be string but got ${typeName(value)}`);
}

function marshal(value: RegoValue, layout: Layout): string {
  return layout.pretty ? layout.prefix + marshalAt(value, layout, `\n${layout.prefix}`) : marshalAt(value, layout, '');
}

/** @param lineBreak - what begins a line at this level; empty for one line. */
function marshalAt(value: RegoValue, layout: Layout, lineBreak: string): string {
  if (typeof value === 'string') return marshalText(value);
  if (value === null || typeof value === 'boolean') return String(value);
  if (value instanceof RegoNumber) return value.text;
  const inner = lineBreak === '' ? '' : lineBreak + layout.indent;
  if (value instanceof RegoObject) {
    const separator = lineBreak === '' ? ':' : ': ';
    const members = memberTexts(value).map(
      ([name, member]) => `${marshalText(name)}${separator}${marshalAt(member, layout, inner)}`,
    );
    return bracket('{}', members, inner, lineBreak);
  }
  const items = value instanceof RegoSet ? value.sorted() : value;
  return bracket(
    '[]',
    items.map((item) => marshalAt(item, layout, inner)),
    inner,
    lineBreak,
  );
}

function memberTexts(object: RegoObject): [string, RegoValue][] {
  return object.sorted().map(([key, value]) => [typeof key === 'string' ? key : printValue(key, 'json'), value]);
}

function bracket(marks: string, items: readonly string[], inner: string, lineBreak: string): string {
  if (items.length === 0) return marks;
  return `${marks[0]}${inner}${items.join(`,${inner}`)}${lineBreak}${marks[1]}`;
}

/** Go's encoder escapes what could end a script element or a line of JavaScript. */
function marshalText(value: string): string {
  return JSON.stringify(value.toWellFormed()).replace(
    /[<>&\u2028\u2029]/g,
    (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
