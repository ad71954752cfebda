/** A document as `kubectl` applies it, written as JSON, which is YAML too. */

export function customResource(kind: string, name: string, spec: Record<string, unknown>): string {
  return `${JSON.stringify({ apiVersion: 'policies.kubewarden.io/v1', kind, metadata: { name }, spec })}\n`;
}
