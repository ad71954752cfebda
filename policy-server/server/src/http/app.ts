import { STATUS_CODES, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { AdmissionHandler, AdmissionHead } from './admission.ts';
import { emptyAnswer, errorAnswer, type Answer } from './answer.ts';
import { BodyBudget, BodyError, receiveBody, type BodyLimits, type ReceivedBody } from './body.ts';
import { admissionAddress } from './request-target.ts';
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

/**
 * The admission API on a server of Node's: targets, bodies and headers; what to answer is the handler's business. There are three
 * paths and one method, and ids are not to be decoded before they are told apart: a router would have to be kept from helping.
 */
export function createApp(options: AppOptions): Server {
  const { handler, maxBodyBytes, isDraining, onFault } = options;
  const budget = new BodyBudget(maxBodyBytes * BODY_BUDGET_FACTOR);
  const server = options.createServer((request, response) => void serve(request, response));
  const unread = new UnreadBodies(server);
  server.on('clientError', refuseNonsense);

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (isDraining()) response.setHeader('connection', 'close');
    const answer = await answerTo(request, response).catch((error: unknown) => {
      onFault(error);
      return errorAnswer(500, 'Something went wrong');
    });
    const settled = unread.settle(request, response);
    if (settled !== undefined) await settled;
    send(response, answer);
  }

  async function answerTo(request: IncomingMessage, response: ServerResponse): Promise<Answer> {
    const target = request.url ?? '/';
    const address = admissionAddress(target);
    if (address === undefined) return emptyAnswer(404);
    if (request.method !== 'POST') return emptyAnswer(405, { allow: 'POST' });
    const head: AdmissionHead = { ...address, target, contentType: request.headers['content-type'] };
    const refusal = handler.refuse(head);
    if (refusal !== undefined) return refusal;
    const invite = (): void => unread.invite(request, response);
    const received = await receive(request, { maxBytes: maxBodyBytes, budget, invite });
    if (received instanceof BodyError) return handler.refuseBody(head, received.failure);
    using body = received;
    return await handler.decide(head, body.bytes, (gone) => void response.once('close', ifUnanswered(response, gone)));
  }

  return server;
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
