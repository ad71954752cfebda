import { test } from 'tap';
import type { ResourceList } from '../runtime.ts';
import { gatekeeperInventory, opaInventory } from './inventory.ts';

function listOf(resource: string, plural: string | undefined, items: readonly string[]): ResourceList {
  const slash = resource.lastIndexOf('/');
  const [apiVersion, kind] = [resource.slice(0, slash), resource.slice(slash + 1)];
  const list = Buffer.from(
    `{"apiVersion":"${apiVersion}","items":[${items.join()}],"kind":"${kind}List","metadata":{}}`,
  );
  return { apiVersion, kind, plural, list };
}

const POD = '{"metadata":{"name":"p","namespace":"ns"},"spec":{"n":9007199254740993}}';
const NODE = '{"metadata":{"name":"node-1"}}';
const DEPLOYMENT = '{"metadata":{"name":"d","namespace":"ns"}}';

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

test('OPA finds objects by plural, namespace and name', (t) => {
  const lists = [
    listOf('v1/Pod', 'pods', [POD]),
    listOf('v1/Node', 'nodes', [NODE]),
    listOf('v1/Secret', 'secrets', []),
  ];
  t.equal(text(opaInventory(lists)), `{"nodes":{"node-1":${NODE}},"pods":{"ns":{"p":${POD}}},"secrets":{}}`);
  t.equal(text(opaInventory([])), '{}');
  t.end();
});

test('OPA: kinds of one plural are merged when they have the same scope', (t) => {
  const other = '{"metadata":{"name":"q","namespace":"ns"}}';
  const merged = opaInventory([listOf('a/v1/Thing', 'things', [POD]), listOf('b/v1/Thing', 'things', [other])]);
  t.equal(text(merged), `{"things":{"ns":{"p":${POD},"q":${other}}}}`);
  const clash = [listOf('a/v1/Thing', 'things', [POD]), listOf('b/v1/Thing', 'things', [NODE])];
  t.throws(() => opaInventory(clash), { message: /things are both namespaced and cluster-wide/ });
  t.end();
});

test('Gatekeeper finds objects by scope, version, kind and name; both halves are always there', (t) => {
  const lists = [
    listOf('v1/Pod', undefined, [POD]),
    listOf('v1/Node', undefined, [NODE]),
    listOf('apps/v1/Deployment', undefined, [DEPLOYMENT]),
  ];
  const cluster = `{"v1":{"Node":{"node-1":${NODE}}}}`;
  const namespace = `{"ns":{"apps/v1":{"Deployment":{"d":${DEPLOYMENT}}},"v1":{"Pod":{"p":${POD}}}}}`;
  t.equal(text(gatekeeperInventory(lists)), `{"cluster":${cluster},"namespace":${namespace}}`);
  t.equal(text(gatekeeperInventory([])), '{"cluster":{},"namespace":{}}');
  t.end();
});

test('names are data: nothing is inherited, nothing overwritten by accident', (t) => {
  const odd = '{"metadata":{"name":"__proto__","namespace":"constructor"}}';
  t.equal(text(opaInventory([listOf('v1/Pod', 'pods', [odd])])), `{"pods":{"constructor":{"__proto__":${odd}}}}`);
  t.end();
});

test('answers that are no lists are refused in plain words', (t) => {
  const broken = (list: string): ResourceList => ({
    apiVersion: 'v1',
    kind: 'Pod',
    plural: 'pods',
    list: Buffer.from(list),
  });
  t.throws(() => opaInventory([broken('{}')]), { message: 'the list of v1/Pod has no items' });
  t.throws(() => opaInventory([broken('{"items":[{"metadata":{}}]}')]), { message: 'an object of v1/Pod has no name' });
  t.throws(() => gatekeeperInventory([broken('{"items":[7]}')]), { message: 'an object of v1/Pod has no name' });
  t.throws(() => opaInventory([listOf('v1/Pod', undefined, [])]), { message: /plural name of v1\/Pod is not known/ });
  t.end();
});
