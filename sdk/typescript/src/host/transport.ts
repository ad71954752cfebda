import { HostCallError } from '../errors.ts';

/** Carries one host call: JSON text in, JSON text out. Throws the host's text when the host refuses or fails. */
export type HostTransport = (binding: string, namespace: string, operation: string, payload: string) => string;

/** One host call of the `kubewarden` binding, as value in and value out. */
export type HostCaller = (namespace: string, operation: string, request: unknown) => unknown;

/** @throws {@link HostCallError} with the host's own text: policies may look at it. */
export function createHostCaller(transport: HostTransport): HostCaller {
  return (namespace, operation, request) => {
    let answer: string;
    try {
      answer = transport('kubewarden', namespace, operation, JSON.stringify(request));
    } catch (error) {
      throw new HostCallError(`${namespace}/${operation}`, error instanceof Error ? error.message : String(error));
    }
    return answer === '' ? undefined : (JSON.parse(answer) as unknown);
  };
}
