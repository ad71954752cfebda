import { JsonError, jsonFrom, metadataFrom, validateMetadata } from '@portcullis/protocol';
import type { PolicyMetadata } from '@portcullis/protocol';
import { isMap, isScalar, parseDocument } from 'yaml';
import type { Document } from 'yaml';
import { BuildError } from './errors.ts';

const USAGE = 'io.kubewarden.policy.usage';

/**
 * Metadata of a policy built by this SDK, from the text of its `metadata.yml` and of its README (shown to users as usage).
 *
 * @throws {@link BuildError} naming every problem.
 */
export function readPolicyMetadata(yaml: string, usage: string | undefined): PolicyMetadata {
  const document = parseDocument(yaml, { uniqueKeys: true });
  if (document.errors.length > 0) throw invalid(document.errors.map(({ message }) => message.trimEnd()));
  const metadata: PolicyMetadata = { ...parse(document), protocolVersion: 'v1' };
  if (usage !== undefined) metadata.annotations = { ...metadata.annotations, [USAGE]: usage };
  const problems = validateMetadata(metadata);
  if (metadata.executionMode !== 'kubewarden-wapc') {
    problems.push(
      `executionMode: expected kubewarden-wapc, the form of modules this SDK builds, got ${metadata.executionMode}`,
    );
  }
  if (problems.length > 0) throw invalid(problems);
  return metadata;
}

function parse(document: Document): PolicyMetadata {
  keepAnnotationsAsWritten(document);
  try {
    return metadataFrom(jsonFrom(document.toJS()));
  } catch (error) {
    if (error instanceof JsonError) throw invalid([error.message]);
    throw error;
  }
}

/** Annotations are texts: `version: 1.0` means "1.0", whatever YAML makes of it. */
function keepAnnotationsAsWritten(document: Document): void {
  const annotations = document.get('annotations');
  if (!isMap(annotations)) return;
  for (const { value } of annotations.items) {
    if (isScalar(value) && typeof value.value !== 'string') value.value = value.source ?? '';
  }
}

function invalid(problems: readonly string[]): BuildError {
  return new BuildError('metadata-invalid', `metadata.yml is not valid: ${problems.join('; ')}`);
}
