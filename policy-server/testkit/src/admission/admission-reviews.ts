import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { AdmissionReviewName } from './scenarios.ts';

export const ADMISSION_FOLDER = join(import.meta.dirname, '../../fixtures/admission');

/** An AdmissionReview as a real API server sent it, byte for byte (see record.ts). */
export async function admissionReview(name: AdmissionReviewName): Promise<Uint8Array> {
  return gunzipSync(await readFile(join(ADMISSION_FOLDER, `${name}.json.gz`)));
}
