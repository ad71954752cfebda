import { parseGroupExpression } from '@portcullis/evaluator';
import { parseCapabilityPatterns, type CapabilityAllowList } from '@portcullis/protocol';
import { describeError } from '../../errors.ts';
import { parseDocument } from './document.ts';
import type { GroupEntry, PoliciesEntry, PolicyEntry, PolicySource } from './entry.ts';
import { FieldReader } from './fields.ts';
import type { Located, LocatedEntry, LocatedMap, Problem } from './located.ts';

/** What a policies file holds, and everything that is wrong or odd with it. */
export interface ParsedPolicies {
  readonly entries: readonly PoliciesEntry[];
  readonly problems: readonly Problem[];
  /** Groups that cannot be served because of their expression; nothing else of the file is in doubt. */
  readonly expressionProblems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

const SOURCE_KEYS = ['module', 'settings', 'contextAwareResources', 'timeoutEvalSeconds', 'hostCapabilities'] as const;
const POLICY_KEYS = [...SOURCE_KEYS, 'policyMode', 'allowedToMutate', 'message'] as const;
const GROUP_KEYS = ['policies', 'expression', 'message', 'policyMode'] as const;
/** Written by the controller next to the keys above. */
const CONTROLLER_KEYS = ['namespacedName'] as const;
const MODES = ['protect', 'monitor'] as const;

const DENY_ALL: CapabilityAllowList = { patterns: [], allows: () => false };

/** Reads the text of a policies file. Never throws for what stands in it: `problems` names every mistake with its place. */
export function parsePolicies(text: string): ParsedPolicies {
  const { root, problems } = parseDocument(text);
  const reader = new PoliciesReader([...problems]);
  return reader.read(root);
}

class PoliciesReader {
  readonly #problems: Problem[];
  readonly #expressionProblems: Problem[] = [];
  readonly #warnings: Problem[] = [];

  constructor(problems: Problem[]) {
    this.#problems = problems;
  }

  read(root: Located | undefined): ParsedPolicies {
    const entries: PoliciesEntry[] = [];
    if (root !== undefined && root.kind !== 'map') {
      this.#problem(root, `invalid type: ${serdeKind(root)}, expected a map`);
    } else if (root !== undefined) {
      for (const [name, entry] of root.entries) {
        const read = this.#entry(name, entry);
        if (read !== undefined) entries.push(read);
      }
    }
    return {
      entries,
      problems: this.#problems,
      expressionProblems: this.#expressionProblems,
      warnings: this.#warnings,
    };
  }

  #entry(name: string, entry: LocatedEntry): PoliciesEntry | undefined {
    if (name === '') this.#problem(entry, 'Not a valid Policy ID: the name is empty');
    if (name.includes('/')) this.#problem(entry, `policy name '${name}' contains a '/' character`);
    const { value } = entry;
    if (value.kind !== 'map') {
      this.#problem(value, `policy '${name}': expected a policy or a policy group, got ${serdeKind(value)}`);
      return undefined;
    }
    // A map with both keys is a policy: the policy shape is tried first.
    if (value.entries.has('module')) return this.#policy(name, value);
    if (value.entries.has('policies') || value.entries.has('expression')) return this.#group(name, value);
    const hint = value.entries.has('url') ? " – 'url' is no longer read, write 'module'" : '';
    const expected = "expected a policy (key 'module') or a policy group (keys 'policies', 'expression', 'message')";
    this.#problem(entry, `policy '${name}': ${expected}${hint}`);
    return undefined;
  }

  #policy(name: string, map: LocatedMap): PolicyEntry {
    const reader = new FieldReader(map, `policy '${name}'`, this.#problems);
    this.#warnings.push(...reader.unknownKeys([...POLICY_KEYS, ...CONTROLLER_KEYS], 'ignore'));
    return {
      kind: 'policy',
      id: name,
      source: this.#source(name, map, reader),
      mode: reader.choice('policyMode', MODES),
      allowedToMutate: reader.optionalBoolean('allowedToMutate') ?? false,
      message: reader.optionalText('message'),
    };
  }

  #group(name: string, map: LocatedMap): GroupEntry {
    const reader = new FieldReader(map, `policy group '${name}'`, this.#problems);
    this.#warnings.push(...reader.unknownKeys([...GROUP_KEYS, ...CONTROLLER_KEYS], 'ignore'));
    const members = this.#members(name, reader);
    const expression = reader.requiredText('expression');
    const message = reader.requiredText('message');
    this.#checkExpression(name, map);
    return {
      kind: 'group',
      id: name,
      members,
      expression,
      message,
      mode: reader.choice('policyMode', MODES),
    };
  }

  #checkExpression(group: string, { entries }: LocatedMap): void {
    const text = entries.get('expression')?.value;
    const members = entries.get('policies')?.value;
    // What is missing or no text is a problem already.
    if (members?.kind !== 'map' || text?.kind !== 'scalar' || typeof text.value !== 'string') return;
    try {
      parseGroupExpression(text.value, [...members.entries.keys()]);
    } catch (error) {
      const message = `policy group '${group}': key 'expression': ${describeError(error)}`;
      this.#expressionProblems.push({ position: text.position, message });
    }
  }

  #members(group: string, reader: FieldReader): ReadonlyMap<string, PolicySource> {
    const members = new Map<string, PolicySource>();
    const entry = reader.required('policies');
    if (entry === undefined) return members;
    if (entry.value.kind !== 'map') {
      reader.problem(entry.value, `key 'policies': expected a map, got ${serdeKind(entry.value)}`);
      return members;
    }
    const invalid = [...entry.value.entries.keys()].filter((member) => member.includes('/'));
    if (invalid.length > 0) {
      const names = invalid.map((member) => JSON.stringify(member)).join(', ');
      this.#problem(entry, `policy group '${group}' contains policies with invalid names: [${names}]`);
    }
    for (const [member, { value }] of entry.value.entries) {
      if (value.kind !== 'map') {
        reader.problem(value, `member '${member}': expected a map, got ${serdeKind(value)}`);
        continue;
      }
      const memberReader = new FieldReader(value, `policy group '${group}', member '${member}'`, this.#problems);
      memberReader.unknownKeys(SOURCE_KEYS, 'refuse');
      members.set(member, this.#source(`${group}/${member}`, value, memberReader));
    }
    return members;
  }

  #source(id: string, map: LocatedMap, reader: FieldReader): PolicySource {
    return {
      id,
      position: map.position,
      module: reader.requiredText('module'),
      settings: reader.optionalObject('settings'),
      contextAwareResources: reader.contextAwareResources('contextAwareResources'),
      timeoutMs: reader.optionalTimeoutMs('timeoutEvalSeconds'),
      allowList: this.#allowList(id, reader),
    };
  }

  #allowList(id: string, reader: FieldReader): CapabilityAllowList {
    const before = this.#problems.length;
    const { texts, node } = reader.textList('hostCapabilities');
    if (node === undefined || this.#problems.length > before) return DENY_ALL;
    try {
      return parseCapabilityPatterns(texts);
    } catch (error) {
      const detail = describeError(error);
      this.#problem(node, `bootstrap failure: invalid hostCapabilities pattern for policy ${id}: ${detail}`);
      return DENY_ALL;
    }
  }

  #problem(node: { readonly position: Problem['position'] }, message: string): void {
    this.#problems.push({ position: node.position, message });
  }
}

/** Rust's serde names the kinds of YAML values so; scripts know these words. */
function serdeKind(node: Located): string {
  if (node.kind === 'map') return 'map';
  if (node.kind === 'sequence') return 'sequence';
  if (node.value === null) return 'unit value';
  if (typeof node.value === 'string') return `string ${JSON.stringify(node.value.slice(0, 60))}`;
  if (typeof node.value === 'boolean') return `boolean \`${node.value}\``;
  return `${node.value.isInteger ? 'integer' : 'floating point'} \`${node.value.text}\``;
}
