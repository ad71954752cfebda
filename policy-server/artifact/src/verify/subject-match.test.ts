import { test } from 'tap';
import type { CertificateIdentity } from './evidence/signature.ts';
import { githubMismatch, issuerMismatch } from './subject-match.ts';

type Found = Partial<CertificateIdentity> & Pick<CertificateIdentity, 'subject'>;

interface IssuerRequirement {
  readonly issuer: string;
  readonly subject: { readonly kind: 'equal' | 'urlPrefix'; readonly value: string };
}

function isMet(requirement: IssuerRequirement, found: Found): boolean {
  return issuerMismatch(requirement, { issuer: undefined, githubRepository: undefined, ...found }) === undefined;
}

test('an issuer and a subject are compared exactly, never as patterns', async (t) => {
  const issuer = 'https://accounts.example.com';
  const requirement = (value: string): IssuerRequirement => ({ issuer, subject: { kind: 'equal', value } });
  const email = (value: string): Found => ({ issuer, subject: { kind: 'email', value } });
  const uri = (value: string): Found => ({ issuer, subject: { kind: 'uri', value } });
  t.equal(isMet(requirement('a.b@example.com'), email('a.b@example.com')), true);
  t.equal(isMet(requirement('https://example.com/a'), uri('https://example.com/a')), true);
  for (const found of [
    'axb@example.com',
    'A.b@example.com',
    'a.b@example.com.evil.org',
    'x-a.b@example.com',
    ' a.b@example.com',
    'a.b@example.com\n',
    '',
  ]) {
    t.equal(isMet(requirement('a.b@example.com'), email(found)), false, JSON.stringify(found));
  }
  t.equal(isMet(requirement('.*'), email('anybody@example.com')), false, 'no pattern');
  t.equal(isMet(requirement('^.*$|'), email('anybody@example.com')), false, 'no pattern');
  t.equal(isMet(requirement('a.b@example.com'), uri('a.b@example.com')), false, 'a URI that looks like an address');
  t.equal(
    isMet(requirement('https://example.com/a'), email('https://example.com/a')),
    false,
    'and the other way round',
  );
  t.equal(isMet(requirement('https://example.com/a'), uri('https://example.com/a/')), false);
  for (const other of [
    undefined,
    '',
    'https://accounts.example.com/',
    'https://accounts.example.com.evil.org',
    'https://accountsxexample.com',
  ]) {
    const found: Found = { issuer: other, subject: { kind: 'email', value: 'a.b@example.com' } };
    t.equal(isMet(requirement('a.b@example.com'), found), false, String(other));
  }
});

test('a URL prefix is met below it only: no typo-squatting, no detours, no user names', async (t) => {
  const issuer = 'https://token.actions.githubusercontent.com';
  const requirement: IssuerRequirement = {
    issuer,
    subject: { kind: 'urlPrefix', value: 'https://github.com/kubewarden/' },
  };
  const cases: [string, boolean][] = [
    ['https://github.com/kubewarden/policy/.github/workflows/release.yml@refs/tags/v1.0.0', true],
    ['https://github.com/kubewarden/policy/.github/workflows/a%20b.yml@refs/heads/x{y}#1', true],
    ['https://github.com/kubewarden/', true],
    ['https://github.com/kubewarden', false],
    ['https://github.com/kubewarden-evil/policy', false],
    ['https://github.com/kubewarden.evil/policy', false],
    ['https://github.com/Kubewarden/policy', false],
    ['https://github.com/evil/kubewarden/policy', false],
    ['https://github.com.evil.org/kubewarden/policy', false],
    ['https://githubXcom/kubewarden/policy', false],
    ['https://github.com:8443/kubewarden/policy', false],
    ['https://github.com@evil.org/kubewarden/policy', false],
    ['https://github.com%2fkubewarden%2f@evil.org/', false],
    ['https://evil.org/https://github.com/kubewarden/', false],
    ['https://user@github.com/kubewarden/policy', false],
    ['http://github.com/kubewarden/policy', false],
    ['HTTPS://GITHUB.COM/kubewarden/policy', false],
    ['https://github.com//kubewarden/policy', false],
    ['https://github.com/kubewarden/../evil/policy', false],
    ['https://github.com/kubewarden/./../evil/policy', false],
    ['https://github.com/kubewarden/%2e%2e/evil/policy', false],
    ['https://github.com/kubewarden/.%2E/evil/policy', false],
    ['https://github.com/kubewarden/..%2fevil/policy', false],
    ['https://github.com/kubewarden/..%5Cevil/policy', false],
    ['https://github.com/kubewarden/..\\evil/policy', false],
    ['https://github.com/kubewarden/.\t./evil/policy', false],
    ['https://github.com/evil/../kubewarden/policy', false],
    ['', false],
    ['kubewarden', false],
  ];
  for (const [value, isExpected] of cases) {
    t.equal(isMet(requirement, { issuer, subject: { kind: 'uri', value } }), isExpected, value);
  }
  const address: Found = { issuer, subject: { kind: 'email', value: 'https://github.com/kubewarden/x' } };
  t.equal(isMet(requirement, address), false, 'an e-mail address that spells a URL');
});

interface Variation {
  readonly owner?: string;
  readonly repo?: string;
  readonly subject?: string;
  /** The issuer. */
  readonly by?: string;
  readonly kind?: 'uri' | 'email';
}

test('a GitHub action is told by the repository it ran in', async (t) => {
  const issuer = 'https://token.actions.githubusercontent.com';
  const workflow = 'https://github.com/kubewarden/policy/.github/workflows/release.yml@refs/tags/v1';
  const met = (
    githubRepository: string | undefined,
    { owner = 'kubewarden', repo, subject = workflow, by = issuer, kind = 'uri' }: Variation = {},
  ): boolean =>
    githubMismatch({ owner, repo }, { issuer: by, subject: { kind, value: subject }, githubRepository }) === undefined;
  t.equal(met('kubewarden/policy'), true);
  t.equal(met('kubewarden/policy', { repo: 'policy' }), true);
  t.equal(met('kubewarden/policy', { repo: 'other' }), false);
  t.equal(met('kubewarden/policy', { repo: 'Policy' }), false);
  t.equal(met('kubewarden/policy', { repo: 'pol.*' }), false);
  t.equal(met('Kubewarden/policy'), false, 'case counts');
  t.equal(met('kubewarden-evil/policy'), false);
  t.equal(met('evil/kubewarden'), false);
  for (const odd of [undefined, '', 'kubewarden', 'kubewarden/', '/policy', 'kubewarden/policy/x']) {
    t.equal(met(odd), false, String(odd));
  }
  const reusable = 'https://github.com/shared/workflows/.github/workflows/release.yml@refs/heads/main';
  t.equal(
    met('kubewarden/policy', { subject: reusable, repo: 'policy' }),
    true,
    'a reusable workflow of another owner',
  );
  t.equal(met('shared/workflows', { subject: workflow }), false, 'a subject does not stand in for the repository');
  for (const subject of [
    'https://github.com/kubewarden',
    'https://github.com/kubewarden/',
    'https://github.com/',
    'https://github.com//policy/x',
    'https://gitlab.com/kubewarden/policy',
    'https://github.com.evil.org/kubewarden/policy',
    'https://github.com@evil.org/kubewarden/policy',
    'http://github.com/kubewarden/policy',
    'https://evil.org/?https://github.com/kubewarden/policy',
  ]) {
    t.equal(met('kubewarden/policy', { subject }), false, subject);
  }
  t.equal(met('kubewarden/policy', { kind: 'email' }), false);
  for (const by of [
    '',
    'https://token.actions.githubusercontent.com/',
    'https://token.actions.githubusercontent.com/acme',
    'https://tokenXactions.githubusercontent.com',
    'https://github.com/login/oauth',
  ]) {
    t.equal(met('kubewarden/policy', { by }), false, by);
  }
});
