import { type Bench, type BenchContext, BenchError } from '../bench.ts';
import { readFlags } from '../flags.ts';
import { type Round, type RoundOptions, measureRound } from './round.ts';
import { report } from './report.ts';
import { interleave } from '../interleave.ts';
import { runLoad } from '../load/load.ts';
import type { LoadRequest } from '../load/plan.ts';
import { saturationClient } from '../load/saturation.ts';
import { harmlessPod, privilegedPod } from '../modules/pod-reviews.ts';
import { RULE_LANGUAGES, ruleModule } from '../modules/rule-modules.ts';
import { OPA_RULE_PATH, startOpa } from '../servers/opa.ts';
import { startPortcullis } from '../servers/portcullis.ts';

const DEFAULTS = { rounds: 5, seconds: 3, connections: 8, rate: 300, workers: 2, url: '', label: 'other', pid: '' };
const CHECK_MS = 1000;

/** A server and the path of the rule on it. */
export interface HttpContender {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly requests: readonly LoadRequest[];
  /** For CPU and memory; absent for a server of which only a URL is known. */
  readonly pid?: number;
}

export const http: Bench = {
  summary: 'our server against OPA, and against any server by its URL, on one rule: at saturation and at a fixed rate',
  flags: [
    '--url URL --label NAME [--pid PID]  also measure this server; URL is that of the rule, such as http://host:3000/validate/pod-privileged',
    '--rounds 5 --seconds 3 --connections 8 --rate 300 --workers 2',
  ],
  run: (context) => measure(context),
};

async function measure(context: BenchContext): Promise<void> {
  const flags = readFlags(context.args, DEFAULTS);
  await using servers = new AsyncDisposableStack();
  const contenders = await startContenders(servers, flags);
  for (const contender of contenders) await check(contender);
  const options: RoundOptions = { ...flags, client: saturationClient() };
  context.print(
    `${contenders.length} servers, ${flags.rounds} rounds of ${flags.seconds} s at saturation (${flags.connections} connections by ` +
      `${options.client === 'wrk' ? 'wrk' : 'our own driver; wrk is not on PATH'}) and ${flags.seconds} s at ${flags.rate}/s (open loop)`,
  );
  const samples: Map<string, Round[]> = await interleave(
    contenders.map((contender) => ({ name: contender.name, run: () => measureRound(contender, options) })),
    { rounds: flags.rounds },
  );
  await report(context, samples, options);
}

async function startContenders(servers: AsyncDisposableStack, flags: typeof DEFAULTS): Promise<HttpContender[]> {
  const reviews = [await privilegedPod(), await harmlessPod()];
  const [host, workers] = ['127.0.0.1', flags.workers];
  const opa = servers.use(await startOpa());
  const requests = (path: string): LoadRequest[] => reviews.map((review) => ({ ...review, path }));
  const contenders: HttpContender[] = [];
  // A process for each rule: memory and CPU are those of one policy, as with OPA.
  for (const language of RULE_LANGUAGES) {
    const modules = { [language]: await ruleModule(language) };
    const { port, pid } = servers.use(
      await startPortcullis({ modules, policies: { rule: { module: language } }, workers }),
    );
    contenders.push({ name: `ours, ${language}`, host, port, pid, requests: requests('/validate/rule') });
  }
  const input = reviews.map((one) => ({
    ...one,
    path: OPA_RULE_PATH,
    body: Buffer.concat([Buffer.from('{"input":'), one.body, Buffer.from('}')]),
  }));
  contenders.push({ name: 'OPA', host, port: opa.port, requests: input, pid: opa.pid });
  if (flags.url !== '') contenders.push(byUrl(flags, requests));
  return contenders;
}

function byUrl({ url, label, pid }: typeof DEFAULTS, requests: (path: string) => LoadRequest[]): HttpContender {
  if (!URL.canParse(url)) throw new BenchError(`--url must be a URL, got "${url}"`);
  const { protocol, hostname, port, pathname } = new URL(url);
  if (protocol !== 'http:') throw new BenchError(`--url must be a plain http URL, got "${url}"`);
  const contender = { name: label, host: hostname, port: Number(port || 80), requests: requests(pathname) };
  return pid === '' ? contender : { ...contender, pid: Number(pid) };
}

/** A server that is fast because it answers wrongly must not win. */
async function check({ name, host, port, requests }: HttpContender): Promise<void> {
  const pace = { kind: 'closed', connections: 2 } as const;
  const { answers, wrong, statuses, failures } = await runLoad({
    host,
    port,
    requests,
    pace,
    warmUpMs: 0,
    durationMs: CHECK_MS,
  });
  if (answers > 0 && wrong === 0) return;
  throw new BenchError(
    `${name} must deny the privileged pod and allow the other; ${wrong} of ${answers} answers were wrong (${JSON.stringify({ statuses, failures })})`,
  );
}
