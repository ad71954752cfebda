import { STATUS_CODES, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import fastify, { type FastifyInstance } from 'fastify';
import type { AdmissionHandler, AdmissionHead } from './admission.ts';
import { ADMISSION_ROUTES, emptyAnswer, errorAnswer, type Answer } from './answer.ts';
import { BodyBudget, BodyError, receiveBody, type BodyLimits, type ReceivedBody } from './body.ts';
import { isAdmissionPath, routablePath } from './request-target.ts';
import { UnreadBodies } from './unread-body.ts';

export interface AppOptions {
  readonly handler: AdmissionHandler;
  readonly maxBodyBytes: number;
  /** Makes the plain or TLS server the app answers on. */
  readonly createServer: (listener: RequestListener) => Server;
  /** True while the server is going away: connections are then closed after their answer. */
  readonly isDraining: () => boolean;
  /** Told about faults that are ours, with everything there is to know. */
  readonly onFault: (error: unknown) => void;
}

/** Bodies being received, all together, may take this many times the limit of one. */
const BODY_BUDGET_FACTOR = 32;

const NONSENSE_STATUS = new Map([
  ['ERR_HTTP_REQUEST_TIMEOUT', 408],
  ['HPE_HEADER_OVERFLOW', 431],
]);

/** Beyond Node's own limit on a request's head: the router imposes none of its own. */
const MAX_ID_LENGTH = 65_536;

/**
 * The admission API on fastify, which routes requests and looks after connections. From the route on a request is answered on
 * Node's own objects: bodies, limits and texts are ours, and fastify's way to a handler and back (parsers, hooks, serialisers)
 * would cost as much as all the rest of a request.
 */
export function createApp(options: AppOptions): FastifyInstance {
  const app = fastify({
    serverFactory: (listener) => options.createServer(listener),
    logger: false,
    rewriteUrl: ({ url = '/' }) => routablePath(url),
    routerOptions: { maxParamLength: MAX_ID_LENGTH },
    return503OnClosing: false,
    exposeHeadRoutes: false,
    clientErrorHandler: refuseNonsense,
  });
  const exchange = new Exchange(app.server, options);
  // Before fastify looks at the method and the body: it has rules of its own for some methods.
  app.addHook('onRequest', (request, reply, done) => {
    if (!request.is404) return done();
    reply.hijack();
    return void exchange.answer(request.raw, reply.raw, () => answerToUnrouted(request.originalUrl));
  });
  for (const route of ADMISSION_ROUTES) {
    app.post<{ Params: { id: string } }>(`/${route}/:id`, {
      onRequest: (request, reply) => {
        reply.hijack();
        const { raw, originalUrl: target, params } = request;
        const head: AdmissionHead = { route, target, idSegment: params.id, contentType: raw.headers['content-type'] };
        void exchange.answer(raw, reply.raw, () => exchange.decide(raw, reply.raw, head));
      },
      // The hook has taken the request before fastify looks at its content type, for which it has words of its own.
      handler: () => undefined,
    });
  }
  return app;
}

function answerToUnrouted(target: string): Answer {
  return isAdmissionPath(target) ? emptyAnswer(405, { allow: 'POST' }) : emptyAnswer(404);
}

/** Requests and their answers on the objects of Node's server. */
class Exchange {
  readonly #options: AppOptions;
  readonly #budget: BodyBudget;
  readonly #unread: UnreadBodies;

  constructor(server: Server, options: AppOptions) {
    this.#options = options;
    this.#budget = new BodyBudget(options.maxBodyBytes * BODY_BUDGET_FACTOR);
    this.#unread = new UnreadBodies(server);
  }

  /** Sends an answer; a fault of ours becomes one. */
  async answer(
    request: IncomingMessage,
    response: ServerResponse,
    make: () => Answer | Promise<Answer>,
  ): Promise<void> {
    const { isDraining, onFault } = this.#options;
    if (isDraining()) response.setHeader('connection', 'close');
    let answer: Answer;
    try {
      answer = await make();
    } catch (error) {
      onFault(error);
      answer = errorAnswer(500, 'Something went wrong');
    }
    const settled = this.#unread.settle(request, response);
    if (settled !== undefined) await settled;
    send(response, answer);
  }

  async decide(request: IncomingMessage, response: ServerResponse, head: AdmissionHead): Promise<Answer> {
    const { handler, maxBodyBytes } = this.#options;
    if (head.idSegment === '') return emptyAnswer(404);
    const refusal = handler.refuse(head);
    if (refusal !== undefined) return refusal;
    const invite = (): void => this.#unread.invite(request, response);
    const received = await receive(request, { maxBytes: maxBodyBytes, budget: this.#budget, invite });
    if (received instanceof BodyError) return handler.refuseBody(head, received.failure);
    using body = received;
    return await handler.decide(head, body.bytes, (gone) => void response.once('close', ifUnanswered(response, gone)));
  }
}

/** Answers what is no request at all, or one that takes too long to arrive. */
function refuseNonsense(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const status = NONSENSE_STATUS.get(error.code ?? '') ?? 400;
  socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  socket.destroySoon();
}

async function receive(
  request: IncomingMessage,
  limits: Omit<BodyLimits, 'contentLength'>,
): Promise<ReceivedBody | BodyError> {
  const header = request.headers['content-length'];
  try {
    return await receiveBody(request, { ...limits, contentLength: header === undefined ? undefined : Number(header) });
  } catch (error) {
    if (error instanceof BodyError) return error;
    throw error;
  }
}

/** A closed connection means a client that went away only before it has its answer. */
function ifUnanswered(response: ServerResponse, gone: () => void): () => void {
  return () => {
    if (!response.writableFinished) gone();
  };
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  const length = Buffer.byteLength(body);
  response.writeHead(status, { ...headers, 'content-length': length });
  // As a text: Node then sends head and body in one piece. ASCII, as nearly all answers, needs no encoding.
  response.end(body, length === body.length ? 'latin1' : 'utf8');
}
