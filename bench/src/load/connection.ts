import { type Socket, connect } from 'node:net';

const MAX_HEAD_BYTES = 64 * 1024;
const MAX_BODY_BYTES = 64 * 1024 * 1024;
const HEAD_END = Buffer.from('\r\n\r\n');
const CHUNKS_END = Buffer.from('0\r\n\r\n');

export interface AnswerHead {
  readonly status: number;
  /** Whether the server closes the connection after this answer. */
  readonly closes: boolean;
}

export interface ConnectionEvents {
  /** `body` is only valid during the call, and still in chunks when the server sent it so. */
  answered(head: AnswerHead, body: Buffer): void;
  failed(reason: string): void;
}

interface ParsedHead extends AnswerHead {
  readonly bodyStart: number;
  /** Absent: the body comes in chunks. */
  readonly bodyBytes: number | undefined;
}

/** The bytes of a POST; made once per request of a plan, not per sending. */
export function requestBytes(host: string, path: string, body: Uint8Array): Buffer {
  const head = `POST ${path} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

/**
 * One keep-alive HTTP/1.1 connection with at most one request in flight. It knows just enough of HTTP to find the end of an answer:
 * a full client costs more than many a server, and shares the cores with what is measured.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #events: ConnectionEvents;
  #received: Buffer[] = [];
  #receivedBytes = 0;
  #head: ParsedHead | undefined;
  #ended = false;

  constructor(host: string, port: number, events: ConnectionEvents) {
    this.#events = events;
    this.#socket = connect({ host, port, noDelay: true });
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#socket.once('error', (error: NodeJS.ErrnoException) => this.#fail(error.code ?? error.message));
    this.#socket.once('close', () => this.#fail('closed by the server'));
  }

  send(request: Buffer): void {
    this.#socket.write(request);
  }

  close(): void {
    this.#ended = true;
    this.#socket.destroy();
  }

  #fail(reason: string): void {
    if (this.#ended) return;
    this.close();
    this.#events.failed(reason);
  }

  #take(chunk: Buffer): void {
    if (this.#ended) return;
    this.#received.push(chunk);
    this.#receivedBytes += chunk.length;
    if (this.#receivedBytes > MAX_HEAD_BYTES + MAX_BODY_BYTES) return this.#fail('answer too large');
    const buffer = this.#received.length === 1 ? chunk : this.#joined();
    this.#head ??= parseHead(buffer);
    if (this.#head === undefined) {
      if (buffer.length > MAX_HEAD_BYTES) this.#fail('no HTTP answer');
      return;
    }
    if (!isComplete(this.#head, buffer)) return;
    const head = this.#head;
    this.#received = [];
    this.#receivedBytes = 0;
    this.#head = undefined;
    if (head.closes) this.close();
    this.#events.answered(head, buffer.subarray(head.bodyStart));
  }

  #joined(): Buffer {
    const buffer = Buffer.concat(this.#received);
    this.#received = [buffer];
    return buffer;
  }
}

function parseHead(buffer: Buffer): ParsedHead | undefined {
  const end = buffer.indexOf(HEAD_END);
  if (end < 0) return undefined;
  const text = buffer.toString('latin1', 0, end).toLowerCase();
  const length = /\r\ncontent-length: *(\d+)/.exec(text)?.[1];
  const chunked = text.includes('\r\ntransfer-encoding: chunked');
  return {
    status: Number(text.slice(9, 12)),
    closes: text.includes('\r\nconnection: close'),
    bodyStart: end + HEAD_END.length,
    bodyBytes: chunked ? undefined : Number(length ?? 0),
  };
}

/** The last chunk is empty; JSON cannot hold its bytes, since a CR is escaped inside of strings and ours are not pretty-printed. */
function isComplete({ bodyStart, bodyBytes }: ParsedHead, buffer: Buffer): boolean {
  if (bodyBytes !== undefined) return buffer.length >= bodyStart + bodyBytes;
  return buffer.length >= bodyStart + CHUNKS_END.length && buffer.subarray(-CHUNKS_END.length).equals(CHUNKS_END);
}
