import { DER, expectDer, readDer, readDerChildren, type DerElement } from '@portcullis/artifact';
import { emailAddresses, isWithinDirectoryName } from './directory-name.ts';
import { NAME_TAGS, isWithinText } from './general-name.ts';
import { isWithinNetwork } from './ip-address.ts';

/** Which names an authority may certify, RFC 5280 §4.2.1.10: general names, as they are encoded. */
export interface NameConstraints {
  readonly permitted: readonly DerElement[];
  readonly excluded: readonly DerElement[];
}

/** The names of a certificate that constraints speak of. */
export interface NamedSubject {
  readonly subjectName: DerElement;
  readonly alternativeNames: Uint8Array | undefined;
}

/** Counts comparisons down; false when there were too many. */
export type ComparisonBudget = (comparisons: number) => boolean;

const PERMITTED_TAG = 0xa0;
const EXCLUDED_TAG = 0xa1;

/** @throws RangeError */
export function readNameConstraints(value: Uint8Array): NameConstraints {
  const parts = readDerChildren(expectDer(readDer(value), DER.sequence, 'name constraints'));
  const of = (tag: number): DerElement[] =>
    parts
      .filter((part) => part.tag === tag)
      .flatMap(readDerChildren)
      .map(base);
  if (parts.some(({ tag }) => tag !== PERMITTED_TAG && tag !== EXCLUDED_TAG))
    throw new RangeError('name constraints with odd parts');
  return { permitted: of(PERMITTED_TAG), excluded: of(EXCLUDED_TAG) };
}

/** Minimum and maximum must not be used (RFC 5280); with them, a subtree is something else. */
function base(subtree: DerElement): DerElement {
  const [name, ...rest] = readDerChildren(expectDer(subtree, DER.sequence, 'a subtree'));
  if (name === undefined || rest.length > 0) throw new RangeError('a subtree with more than a base');
  return name;
}

/** Whether an authority with these constraints may certify the subject. What cannot be compared may not. */
export function satisfiesConstraints(
  { permitted, excluded }: NameConstraints,
  subject: NamedSubject,
  budget: ComparisonBudget,
): boolean {
  const names = namesOf(subject);
  if (names === undefined || !budget(names.length * (permitted.length + excluded.length))) return false;
  return names.every((name) => {
    const permittedOfKind = permitted.filter(({ tag }) => tag === name.tag);
    if (permittedOfKind.length > 0 && !permittedOfKind.some((constraint) => isWithin(name, constraint) === true))
      return false;
    return !excluded.some((constraint) => constraint.tag === name.tag && isWithin(name, constraint, true) !== false);
  });
}

function namesOf({ subjectName, alternativeNames }: NamedSubject): DerElement[] | undefined {
  try {
    const alternative =
      alternativeNames === undefined
        ? []
        : readDerChildren(expectDer(readDer(alternativeNames), DER.sequence, 'alternative names'));
    const hasEmail = alternative.some(({ tag }) => tag === NAME_TAGS.email);
    // RFC 5280 §4.2.1.10: constraints of e-mail addresses hold for those within the subject when there are no others.
    const emails = hasEmail ? [] : emailAddresses(subjectName);
    const directory = subjectName.content.length === 0 ? [] : [directoryName(subjectName)];
    return [...alternative, ...emails.map((content) => ({ tag: NAME_TAGS.email, content })), ...directory];
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** The choice `directoryName` wraps the name it holds. */
function directoryName({ content }: DerElement): DerElement {
  return { tag: NAME_TAGS.directory, content };
}

/** Undefined when the two cannot be compared. `isExclusion` counts a wildcard for each name it may stand for. */
function isWithin(name: DerElement, constraint: DerElement, isExclusion = false): boolean | undefined {
  switch (name.tag) {
    case NAME_TAGS.directory:
      return isWithinDirectoryName(name.content, constraint.content);
    case NAME_TAGS.address:
      return isWithinNetwork(name.content, constraint.content);
    default:
      return isWithinText(name, constraint, isExclusion);
  }
}
