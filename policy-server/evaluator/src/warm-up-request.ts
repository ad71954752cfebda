import { encodeJson, jsonFrom } from '@portcullis/protocol';

/** An AdmissionRequest about a small Pod, such as any policy may be asked about: what a policy is warmed with. */
export const WARM_UP_REQUEST: Uint8Array = encodeJson(
  jsonFrom({
    uid: '00000000-0000-0000-0000-000000000000',
    kind: { group: '', kind: 'Pod', version: 'v1' },
    resource: { group: '', resource: 'pods', version: 'v1' },
    requestKind: { group: '', kind: 'Pod', version: 'v1' },
    requestResource: { group: '', resource: 'pods', version: 'v1' },
    name: 'warm-up',
    namespace: 'default',
    operation: 'CREATE',
    userInfo: { username: 'warm-up', groups: ['system:authenticated'] },
    dryRun: true,
    object: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'warm-up', namespace: 'default', labels: { app: 'warm-up' } },
      spec: {
        containers: [
          {
            name: 'main',
            image: 'registry.example/warm-up:1.0',
            ports: [{ containerPort: 8080, protocol: 'TCP' }],
            resources: { limits: { cpu: '100m', memory: '64Mi' } },
            securityContext: { privileged: false, runAsNonRoot: true },
          },
        ],
      },
    },
  }),
);
