/** One call to the API server that makes it ask its webhooks. */
export interface Scenario {
  readonly method: 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly body?: string;
  readonly contentType?: string;
  /** Only needed to bring the cluster into shape; not recorded. */
  readonly setup?: true;
}

const POD_SPEC = {
  initContainers: [{ name: 'init', image: 'busybox:1.36', command: ['true'] }],
  containers: [
    {
      name: 'nginx',
      image: 'nginx:1.25',
      ports: [{ containerPort: 80 }],
      resources: { requests: { cpu: '100m', memory: '64Mi' } },
      securityContext: { privileged: true },
    },
  ],
};
const TEMPLATE = { metadata: { labels: { app: 'web' } }, spec: POD_SPEC };
const LABELS = { app: 'web', 'app.kubernetes.io/name': 'web', team: 'a.b_c' };
/** What a JSON Pointer must escape, and text beyond ASCII. */
const ANNOTATIONS = { 'portcullis.test/note': 'wéb-✓ a/b~c \u2028', 'tilde_a.b': '~' };

function json(apiVersion: string, kind: string, name: string, rest: object): string {
  return JSON.stringify({ apiVersion, kind, metadata: { name, labels: LABELS, annotations: ANNOTATIONS }, ...rest });
}

const NAMESPACED = '/api/v1/namespaces/default';
const APPS = '/apis/apps/v1/namespaces/default';

const WIDGET_DEFINITION = JSON.stringify({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.portcullis.test' },
  spec: {
    group: 'portcullis.test',
    scope: 'Namespaced',
    names: { plural: 'widgets', singular: 'widget', kind: 'Widget' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
});

/** Fields no schema knows, and numbers no double can hold. */
const WIDGET =
  '{"apiVersion":"portcullis.test/v1","kind":"Widget","metadata":{"name":"widget"},"spec":{"big":9007199254740993,"most":9223372036854775807,' +
  '"least":-9223372036854775808,"ratio":1.10,"unknown":{"__proto__":{"x":1},"1":"one","":"empty"},"list":[1,1.5,null,true,"\\u2028"]}}';

/** 1.5 MB: what an API server still accepts; UPDATE carries it twice. */
function largeWidget(): string {
  const entries = Array.from({ length: 12_000 }, (_, index) => ({
    name: `entry-${index}`,
    value: `${'x'.repeat(60)}${index}`,
    weights: [index, index * 1.5, -index],
  }));
  return JSON.stringify({
    apiVersion: 'portcullis.test/v1',
    kind: 'Widget',
    metadata: { name: 'large' },
    spec: { entries },
  });
}

const WIDGETS = '/apis/portcullis.test/v1/namespaces/default/widgets';

/** In this order: later ones act on what earlier ones made. */
export const SCENARIOS = {
  'crd-definition': {
    method: 'POST',
    path: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
    body: WIDGET_DEFINITION,
    setup: true,
  },
  'namespace-create': { method: 'POST', path: '/api/v1/namespaces', body: json('v1', 'Namespace', 'team', {}) },
  'pod-create': { method: 'POST', path: `${NAMESPACED}/pods`, body: json('v1', 'Pod', 'web', { spec: POD_SPEC }) },
  'pod-dry-run': {
    method: 'POST',
    path: `${NAMESPACED}/pods?dryRun=All`,
    body: json('v1', 'Pod', 'dry', { spec: POD_SPEC }),
  },
  'pod-update': {
    method: 'PATCH',
    path: `${NAMESPACED}/pods/web`,
    body: '{"metadata":{"labels":{"changed":"yes"}}}',
    contentType: 'application/merge-patch+json',
  },
  'pod-ephemeral-container': {
    method: 'PATCH',
    path: `${NAMESPACED}/pods/web/ephemeralcontainers`,
    body: '{"spec":{"ephemeralContainers":[{"name":"debug","image":"busybox:1.36"}]}}',
    contentType: 'application/strategic-merge-patch+json',
  },
  'pod-exec': { method: 'POST', path: `${NAMESPACED}/pods/web/exec?command=sh&container=nginx&stdin=true` },
  'pod-delete': { method: 'DELETE', path: `${NAMESPACED}/pods/web?gracePeriodSeconds=0` },
  'deployment-create': {
    method: 'POST',
    path: `${APPS}/deployments`,
    body: json('apps/v1', 'Deployment', 'web', {
      spec: { replicas: 2, selector: { matchLabels: { app: 'web' } }, template: TEMPLATE },
    }),
  },
  'deployment-scale': {
    method: 'PUT',
    path: `${APPS}/deployments/web/scale`,
    body: '{"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"web","namespace":"default"},"spec":{"replicas":3}}',
  },
  'cronjob-create': {
    method: 'POST',
    path: '/apis/batch/v1/namespaces/default/cronjobs',
    body: json('batch/v1', 'CronJob', 'nightly', {
      spec: {
        schedule: '0 3 * * *',
        jobTemplate: { spec: { template: { spec: { ...POD_SPEC, restartPolicy: 'Never' } } } },
      },
    }),
  },
  'widget-create': { method: 'POST', path: WIDGETS, body: WIDGET },
  'large-create': { method: 'POST', path: WIDGETS, body: largeWidget() },
} as const satisfies Record<string, Scenario>;

type ScenarioName = keyof typeof SCENARIOS;
export type AdmissionReviewName = Exclude<ScenarioName, 'crd-definition'>;
