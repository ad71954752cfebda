import { STATUS_CODES, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { AdmissionHandler, AdmissionHead } from './admission.ts';
import { ADMISSION_ROUTES, emptyAnswer, errorAnswer, type AdmissionRoute, type Answer } from './answer.ts';
import { BodyBudget, BodyError, receiveBody, type ReceivedBody } from './body.ts';
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
const MAX_ID_LENGTH = 65_536; // beyond Node's own limit on a request's head: the router imposes none of its own

const NONSENSE_STATUS = new Map([
  ['ERR_HTTP_REQUEST_TIMEOUT', 408],
  ['HPE_HEADER_OVERFLOW', 431],
]);

const ADMISSION_PATH = /^(?:https?:\/\/[^/?]*)?\/(?:validate|audit|validate_raw)\/[^/?]+(?:\?|$)/;

/** The admission API on fastify: routes, bodies and headers; what to answer is the handler's business. */
export function createApp(options: AppOptions): FastifyInstance {
  const app = fastify({
    serverFactory: (listener) => options.createServer(listener),
    logger: false,
    // The id is decoded after routing and not by the router, which would refuse `%zz` and split at an encoded slash.
    rewriteUrl: (request) => (request.url ?? '/').replaceAll('%', '%25'),
    routerOptions: { maxParamLength: MAX_ID_LENGTH },
    return503OnClosing: false,
    exposeHeadRoutes: false,
    clientErrorHandler: refuseNonsense,
  });
  const budget = new BodyBudget(options.maxBodyBytes * BODY_BUDGET_FACTOR);
  const unread = new UnreadBodies(app.server);
  acceptAnyContentType(app);
  app.addHook('onRequest', async (request, reply) => {
    if (options.isDraining()) reply.raw.setHeader('connection', 'close');
    // Before fastify looks at the method and the body: it has rules of its own for some methods.
    return request.is404 ? send(reply, answerToUnrouted(request.originalUrl)) : undefined;
  });
  app.addHook('onSend', async (request, reply) => unread.settle(request.raw, reply.raw));
  for (const route of ADMISSION_ROUTES) addAdmissionRoute(app, route, { ...options, budget, unread });
  app.setErrorHandler((error, _request, reply) => {
    options.onFault(error);
    return send(reply, errorAnswer(500, 'Something went wrong'));
  });
  return app;
}

function answerToUnrouted(target: string): Answer {
  return ADMISSION_PATH.test(target) ? emptyAnswer(405, { allow: 'POST' }) : emptyAnswer(404);
}

/** Answers what is no request at all, or one that takes too long to arrive. */
function refuseNonsense(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const status = NONSENSE_STATUS.get(error.code ?? '') ?? 400;
  socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  socket.destroySoon();
}

/** Bodies are received by the routes themselves, so that their limits and texts are ours. */
function acceptAnyContentType(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
}

function addAdmissionRoute(
  app: FastifyInstance,
  route: AdmissionRoute,
  { handler, maxBodyBytes, budget, unread }: AppOptions & { budget: BodyBudget; unread: UnreadBodies },
): void {
  app.post<{ Params: { id: string } }>(`/${route}/:id`, {
    // Before the body is looked at, also by fastify, which has its own words for odd content types.
    onRequest: async (request, reply) => {
      if (request.params.id === '') return send(reply, emptyAnswer(404));
      const refusal = handler.refuse(headOf(route, request));
      return refusal === undefined ? undefined : send(reply, refusal);
    },
    handler: async (request, reply) => {
      const head = headOf(route, request);
      const invite = (): void => unread.invite(request.raw, reply.raw);
      const received = await receive(request, { maxBytes: maxBodyBytes, budget, invite });
      if ('failure' in received) return send(reply, handler.refuseBody(head, received.failure));
      using body = received;
      return send(reply, await handler.decide(head, body.bytes, disconnectSignal(reply)));
    },
  });
}

function headOf(route: AdmissionRoute, request: FastifyRequest<{ Params: { id: string } }>): AdmissionHead {
  return {
    route,
    target: request.originalUrl,
    idSegment: request.params.id,
    contentType: request.headers['content-type'],
  };
}

async function receive(
  request: FastifyRequest,
  limits: { maxBytes: number; budget: BodyBudget; invite: () => void },
): Promise<ReceivedBody | BodyError> {
  const header = request.headers['content-length'];
  try {
    return await receiveBody(request.raw, {
      ...limits,
      contentLength: header === undefined ? undefined : Number(header),
    });
  } catch (error) {
    if (error instanceof BodyError) return error;
    throw error;
  }
}

/** Aborts when the client goes away before it has its answer: nobody is left to evaluate for. */
function disconnectSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort();
  });
  return controller.signal;
}

function send(reply: FastifyReply, answer: Answer): FastifyReply {
  reply.code(answer.status).headers(answer.headers);
  // As bytes: fastify would add a charset to the content type of a text.
  return answer.body === '' ? reply.send() : reply.send(Buffer.from(answer.body));
}
