import { AdmissionTape } from './admission-tape.ts';
import type { EncodedAdmissionRequest, EncodedRequest } from './encoded-request.ts';
import { CanonicalWriter } from './json/canonical-writer.ts';
import { OddText } from './json/json-bytes.ts';
import { Tape } from './json/tape.ts';
import { TapeReader } from './json/tape-reader.ts';
import { encodeUtf8 } from './utf8.ts';

// One set for all requests: they are read one after the other, each at one go.
const tape = new Tape();
const reader = new TapeReader(tape);
const writer = new CanonicalWriter(tape);
const admission = new AdmissionTape(tape, writer);

const UID = encodeUtf8('uid');
const OPERATION = encodeUtf8('operation');
const KIND = encodeUtf8('kind');
const NAMESPACE = encodeUtf8('namespace');
const NAME = encodeUtf8('name');

/** The body of `/validate`, read the fast way. `undefined` = it is wrong or odd: the tree has to say what it makes of it. */
export function scanAdmissionReview(body: Uint8Array): EncodedAdmissionRequest | undefined {
  return scan(body, admissionRequestOnTape);
}

/** The body of `/validate_raw`, likewise. */
export function scanRawReview(body: Uint8Array): EncodedRequest | undefined {
  return scan(body, rawRequestOnTape);
}

function scan<T>(body: Uint8Array, read: (review: number) => T): T | undefined {
  try {
    return read(reader.read(body));
  } catch (error) {
    if (error instanceof OddText) return undefined;
    throw error;
  } finally {
    tape.release();
  }
}

function admissionRequestOnTape(review: number): EncodedAdmissionRequest {
  const request = admission.requestOf(review);
  writer.start();
  admission.writeRequest(request);
  return {
    uid: admission.textOf(admission.find(request, UID)) ?? '',
    operation: admission.textOf(admission.find(request, OPERATION)) ?? '',
    kind: admission.textOf(admission.find(admission.find(request, KIND), KIND)) ?? '',
    namespace: admission.textOf(admission.find(request, NAMESPACE)),
    name: admission.textOf(admission.find(request, NAME)),
    bytes: writer.finish(),
  };
}

function rawRequestOnTape(review: number): EncodedRequest {
  const request = admission.rawRequestOf(review);
  writer.start();
  writer.writeValue(request);
  return { uid: admission.textOf(admission.find(request, UID)) ?? '', bytes: writer.finish() };
}
