import { requestBytes } from './connection.ts';
import type { LoadPlan, Verdict } from './plan.ts';

export interface PreparedRequest {
  readonly bytes: Buffer;
  readonly expect: Verdict | undefined;
}

/** Where requests go, and the next one in turn. */
export interface Target {
  readonly host: string;
  readonly port: number;
  next(): PreparedRequest;
}

/** @throws RangeError for a plan without requests */
export function targetOf({ host, port, requests }: LoadPlan): Target {
  const prepared = requests.map(({ path, body, expect }) => ({
    bytes: requestBytes(`${host}:${port}`, path, body),
    expect,
  }));
  const [first] = prepared;
  if (first === undefined) throw new RangeError('a load plan needs at least one request');
  let turn = 0;
  return { host, port, next: () => prepared[turn++ % prepared.length] ?? first };
}
