import type { Subject } from './config/requirement.ts';
import type { CertificateIdentity } from './evidence/signature.ts';
import { quoted } from './evidence/unproven.ts';

const GITHUB_ISSUER = 'https://token.actions.githubusercontent.com';
const GITHUB = 'https://github.com/';

/** `owner/repo/…` */
const WORKFLOW_PATH = /^[^/?#]+\/[^/?#]+(?:[/?#]|$)/;

/** A text with a scheme is a URI; e-mail addresses have none. */
const SCHEME = /^[a-z][a-z0-9+.-]*:/i;
/** Slashes and backslashes in disguise: what reads the URL later may split the path there. */
const ENCODED_SLASH = /%2f|%5c/i;

/** What is not as required about who signed; `undefined` when all is. Texts are compared exactly, never as patterns. */
export function issuerMismatch(
  { issuer, subject }: { readonly issuer: string; readonly subject: Subject },
  identity: CertificateIdentity,
): string | undefined {
  if (identity.issuer !== issuer) return `the issuer is ${shown(identity.issuer)}, not ${shown(issuer)}`;
  const isMatch =
    subject.kind === 'equal' ? equals(subject.value, identity.subject) : hasPrefix(subject.value, identity.subject);
  if (isMatch) return undefined;
  const wanted = subject.kind === 'equal' ? shown(subject.value) : `a URL below ${shown(subject.value)}`;
  return `the subject is ${shown(identity.subject.value)}, not ${wanted}`;
}

/**
 * Like {@link issuerMismatch} for workflows of GitHub. The repository is the one whose workflow ran: the subject names where
 * the workflow is defined, which for a reusable workflow is another repository.
 */
export function githubMismatch(
  { owner, repo }: { readonly owner: string; readonly repo: string | undefined },
  { issuer, subject, githubRepository }: CertificateIdentity,
): string | undefined {
  if (issuer !== GITHUB_ISSUER) return `the issuer is ${shown(issuer)}, not ${shown(GITHUB_ISSUER)}`;
  if (!hasPrefix(GITHUB, subject) || !WORKFLOW_PATH.test(subject.value.slice(GITHUB.length))) {
    return `the subject ${shown(subject.value)} is no workflow below ${GITHUB}`;
  }
  const [actualOwner = '', actualRepo = '', ...rest] = githubRepository?.split('/') ?? [];
  if (actualOwner === '' || actualRepo === '' || rest.length > 0) {
    return 'the certificate does not say which GitHub repository it was given to';
  }
  if (actualOwner !== owner) return `the GitHub owner is ${shown(actualOwner)}, not ${shown(owner)}`;
  if (repo !== undefined && actualRepo !== repo) {
    return `the GitHub repository is ${shown(actualRepo)}, not ${shown(repo)}`;
  }
  return undefined;
}

/** An e-mail address that spells a URL is no URL, and the other way round. */
function equals(wanted: string, subject: CertificateIdentity['subject']): boolean {
  return subject.value === wanted && subject.kind === (SCHEME.test(wanted) ? 'uri' : 'email');
}

/**
 * The text begins with the prefix, and so does what a browser makes of it: `https://host/ours/../theirs/` does not lie below
 * `https://host/ours/`.
 */
function hasPrefix(prefix: string, subject: CertificateIdentity['subject']): boolean {
  const url = subject.kind === 'uri' ? plainUrl(subject.value) : undefined;
  return url !== undefined && subject.value.startsWith(prefix) && url.href.startsWith(prefix);
}

/** A URL without anything that makes it look like another one: user names, disguised slashes. */
function plainUrl(text: string): URL | undefined {
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '' || ENCODED_SLASH.test(text)) return undefined;
  return url;
}

function shown(text: string | undefined): string {
  return text === undefined ? 'not given' : quoted(text);
}
