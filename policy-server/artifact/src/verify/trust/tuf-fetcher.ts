import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import type { Fetcher } from 'tuf-js';
import type { Transport } from '../../transport/transport.ts';

/** All requests of one refresh together; there are five when all is well. */
const REFRESH_TIMEOUT_MS = 30_000;

/** Downloads for the TUF client the way everything else is downloaded: same proxies, same authorities, same bounds. */
export function tufFetcher(transport: Transport, folder: string): Fetcher {
  const signal = AbortSignal.timeout(REFRESH_TIMEOUT_MS);
  const download = async (url: string, maxBytes: number): Promise<Buffer> => {
    const response = await transport.request({ url: new URL(url), method: 'GET', signal });
    if (response.status !== 200) {
      await response.discard();
      // The client asks for the next root until it is told that there is none.
      throw new DownloadHTTPError(`${url} answered with status ${response.status}`, response.status);
    }
    return Buffer.from(await response.bytes(maxBytes));
  };
  return {
    downloadBytes: download,
    async downloadFile(url, maxBytes, handler) {
      const bytes = await download(url, maxBytes);
      const temporary = await mkdtemp(join(folder, 'download-'));
      try {
        const path = join(temporary, 'target');
        await writeFile(path, bytes);
        return await handler(path);
      } finally {
        await rm(temporary, { recursive: true, force: true });
      }
    },
  };
}

/** For a client that is to do with what it has. */
export function offlineFetcher(): Fetcher {
  const refuse = (): Promise<never> => Promise.reject(new Error('the stored metadata is not complete or has expired'));
  return { downloadBytes: refuse, downloadFile: refuse };
}
