import { JsonNumber } from '@portcullis/protocol';
import { YamlTagged, type YamlNode } from './node.ts';
import { doubleQuoted, scalarStyle } from './scalar-style.ts';

/** libyaml writes a longer key as an explicit one: `? key`. */
const MAX_SIMPLE_KEY_BYTES = 128;

/**
 * Writes one YAML document in the style of serde_yaml: two spaces of indentation, sequences not indented below their
 * key, no document marker, no folding, a newline at the end. Maps keep their order.
 */
export function stringifyYaml(node: YamlNode): string {
  const text = block(node, 0, 'root');
  return text.startsWith('\n') ? `${text.slice(1)}\n` : `${text}\n`;
}

/** Where a node stands decides what separates it from what is before it. */
type Place = 'root' | 'value' | 'item';

/** Renders a node so that it can follow `key:` (place `value`) or `-` (place `item`). */
function block(node: YamlNode, indent: number, place: Place): string {
  if (node instanceof YamlTagged) return tagged(node, indent, place);
  if (Array.isArray(node)) return node.length === 0 ? `${gap(place)}[]` : sequence(node, indent, place);
  if (node instanceof Map) return node.size === 0 ? `${gap(place)}{}` : mapping(node, indent, place);
  return gap(place) + scalar(node, indent);
}

function gap(place: Place): string {
  return place === 'root' ? '' : ' ';
}

function tagged(node: YamlTagged, indent: number, place: Place): string {
  const { tag, value } = node;
  const head = `${gap(place)}!${tag}`;
  // After a tag a collection begins on a line of its own, as deep as it would be without the tag.
  if (Array.isArray(value)) return head + block(value, place === 'item' ? indent + 2 : indent, 'value');
  return head + block(value, place === 'root' ? indent - 2 : indent, 'value');
}

function sequence(items: YamlNode[], indent: number, place: Place): string {
  // `- - x`: a sequence in a sequence begins on the line of its dash, two columns further in.
  const own = place === 'item' ? indent + 2 : indent;
  const lines = items.map((item) => `-${block(item, own, 'item')}`);
  const pad = `\n${' '.repeat(own)}`;
  return (place === 'item' ? ' ' : pad) + lines.join(pad);
}

function mapping(map: Map<string, YamlNode>, indent: number, place: Place): string {
  const own = place === 'root' ? indent : indent + 2;
  const pad = `\n${' '.repeat(own)}`;
  const lines = Array.from(map, ([key, value]) => entry(key, value, own));
  return (place === 'item' ? ' ' : pad) + lines.join(pad);
}

function entry(key: string, value: YamlNode, indent: number): string {
  const simple = !key.includes('\n') && Buffer.byteLength(key) <= MAX_SIMPLE_KEY_BYTES;
  if (!simple) return `? ${scalar(key, indent)}\n${' '.repeat(indent)}:${block(value, indent, 'item')}`;
  return `${scalar(key, indent, true)}:${block(value, indent, 'value')}`;
}

function scalar(value: null | boolean | string | JsonNumber, indent: number, isKey = false): string {
  if (value === null) return 'null';
  if (typeof value === 'boolean') return String(value);
  if (value instanceof JsonNumber) return value.text.replace('e+', 'e');
  switch (scalarStyle(value, isKey)) {
    case 'plain':
      return value;
    case 'single':
      return `'${value.replaceAll("'", "''")}'`;
    case 'double':
      return doubleQuoted(value);
    case 'literal':
      return literal(value, indent);
  }
}

function literal(text: string, indent: number): string {
  const indentHint = /^[ \n]/.test(text) ? '2' : '';
  const chomping = !text.endsWith('\n') ? '-' : text === '\n' || text.endsWith('\n\n') ? '+' : '';
  const body = text.endsWith('\n') ? text.slice(0, -1) : text;
  const pad = ' '.repeat(indent + 2);
  const lines = body.split('\n').map((line) => (line === '' ? '' : pad + line));
  return `|${indentHint}${chomping}\n${lines.join('\n')}`;
}
