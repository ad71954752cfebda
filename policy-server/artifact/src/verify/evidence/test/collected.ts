import type { ArtifactLogRecord } from '../../../log.ts';
import { collectSignatures, type CollectOptions } from '../collect.ts';
import type { SignatureEvidence } from '../signature.ts';
import type { TestImage } from './test-image.ts';

export interface Collected extends SignatureEvidence {
  /** What the log says, `level message` by line. */
  readonly logged: string;
}

/** What is collected beside a test image. */
export async function collected(
  image: TestImage,
  options: Pick<CollectOptions, 'trustRoot' | 'needsIdentity' | 'signal'>,
): Promise<Collected> {
  const records: ArtifactLogRecord[] = [];
  const evidence = await collectSignatures(
    { registry: 'registry.test', repository: 'policy', tag: 'v1' },
    { ...options, client: image.client, log: (record) => records.push(record) },
  );
  return { ...evidence, logged: records.map(({ level, message }) => `${level} ${message}`).join('\n') };
}
