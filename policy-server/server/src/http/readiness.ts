import { createServer, type Server } from 'node:http';

const READINESS_PATH = /^\/readiness(?:\?|$)/;

/**
 * The readiness probe, on a listener of its own that never speaks TLS: 200 while the server is ready, 503 once it is going
 * away. Nothing else is served here.
 */
export function createReadinessServer(isReady: () => boolean): Server {
  return createServer(
    { keepAliveTimeout: 5000, requestTimeout: 5000, connectionsCheckingInterval: 1000 },
    (request, response) => {
      request.resume();
      response.setHeader('content-length', 0);
      if (!READINESS_PATH.test(request.url ?? '')) response.writeHead(404);
      else if (request.method !== 'GET' && request.method !== 'HEAD') response.writeHead(405, { allow: 'GET,HEAD' });
      else response.writeHead(isReady() ? 200 : 503);
      response.end();
    },
  );
}
