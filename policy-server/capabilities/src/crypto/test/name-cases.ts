import { alternativeNames, authority, leaf, nameConstraints } from './pki.ts';
import { otherReason, root, type PathCase } from './path-cases.ts';

/** A leaf under an authority whose names are constrained. */
function constrained(limits: readonly string[], names: readonly string[]): Pick<PathCase, 'leaf' | 'chain'> {
  return {
    leaf: leaf({ subject: 'end', issuer: 'limited', extensions: [alternativeNames(...names)] }),
    chain: [authority({ subject: 'limited', issuer: 'root', extensions: [nameConstraints(...limits)] }), root],
  };
}

const VIOLATED = otherReason('NameConstraintViolation');
export const NAMES: PathCase[] = [
  { name: 'host within', ...constrained(['+dns:example.com'], ['dns:a.b.example.com', 'dns:EXAMPLE.com']), reason: '' },
  { name: 'wildcard within', ...constrained(['+dns:example.com'], ['dns:*.example.com']), reason: '' },
  {
    name: 'host outside',
    ...constrained(['+dns:example.com'], ['dns:example.com', 'dns:example.org']),
    reason: VIOLATED,
  },
  {
    name: 'host that only ends like it',
    ...constrained(['+dns:example.com'], ['dns:evilexample.com']),
    reason: VIOLATED,
  },
  { name: 'host excluded', ...constrained(['-dns:example.com'], ['dns:a.example.com']), reason: VIOLATED },
  { name: 'host not excluded', ...constrained(['-dns:example.com'], ['dns:example.org']), reason: '' },
  {
    name: 'wildcard that may name an excluded host',
    ...constrained(['-dns:a.example.com'], ['dns:*.example.com']),
    reason: VIOLATED,
    opensslDiffers: 'a wildcard is a host for it',
  },
  { name: 'no host is permitted', ...constrained(['-dns:'], ['dns:example.org']), reason: VIOLATED },
  {
    name: 'names of other kinds are free',
    ...constrained(['+dns:example.com'], ['email:a@b.test', 'uri:https://b.test/']),
    reason: '',
  },
  { name: 'mailbox', ...constrained(['+email:a@example.com'], ['email:a@EXAMPLE.com']), reason: '' },
  { name: 'another mailbox', ...constrained(['+email:a@example.com'], ['email:b@example.com']), reason: VIOLATED },
  { name: 'mailbox of a host', ...constrained(['+email:example.com'], ['email:a@example.com']), reason: '' },
  {
    name: 'mailbox of a host below',
    ...constrained(['+email:example.com'], ['email:a@b.example.com']),
    reason: VIOLATED,
  },
  { name: 'mailbox below a domain', ...constrained(['+email:.example.com'], ['email:a@b.example.com']), reason: '' },
  { name: 'mailbox without a host', ...constrained(['-email:example.com'], ['email:nobody']), reason: VIOLATED },
  { name: 'URI of a host', ...constrained(['+uri:example.com'], ['uri:https://example.com:8443/x']), reason: '' },
  { name: 'URI below a domain', ...constrained(['+uri:.example.com'], ['uri:spiffe://a.example.com/x']), reason: '' },
  {
    name: 'URI of another host behind a user',
    ...constrained(['+uri:example.com'], ['uri:https://example.com@evil.test/']),
    reason: VIOLATED,
  },
  { name: 'URI without a host', ...constrained(['-uri:example.com'], ['uri:urn:x:y']), reason: VIOLATED },
  { name: 'address in a network', ...constrained(['+ip:0a000000ff000000'], ['ip:0a010203']), reason: '' },
  { name: 'address outside', ...constrained(['+ip:0a000000ff000000'], ['ip:0b010203']), reason: VIOLATED },
  {
    name: 'address of the other family',
    ...constrained(['+ip:0a000000ff000000'], [`ip:${'00'.repeat(16)}`]),
    reason: VIOLATED,
  },
  { name: 'address excluded', ...constrained(['-ip:0a000000ff000000'], ['ip:0aff0000']), reason: VIOLATED },
  { name: 'distinguished name within', ...constrained(['+dn:Portcullis.TEST'], ['dns:a.test']), reason: '' },
  { name: 'distinguished name outside', ...constrained(['+dn:somebody else'], ['dns:a.test']), reason: VIOLATED },
  {
    name: 'distinguished name excluded, spelled another way',
    ...constrained(['-dn: PORTCULLIS.test '], ['dns:a.test']),
    reason: VIOLATED,
  },
  { name: 'a kind of name that nobody compares', ...constrained(['+rid:2a03'], ['rid:2a03']), reason: VIOLATED },
  {
    name: 'an authority that certified itself anew, below a limit that excludes its own name',
    leaf: leaf({ subject: 'end', issuer: 'limited', signingKey: 'new limited' }),
    chain: [
      authority({ subject: 'limited', key: 'new limited' }),
      authority({
        subject: 'limited',
        issuer: 'root',
        extensions: [nameConstraints('-dn:portcullis.test/limited')],
      }),
      root,
    ],
    reason: '',
    opensslDiffers: 'it follows the first of a name',
  },
];
