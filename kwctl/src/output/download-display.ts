import type { DownloadProgress } from '@portcullis/artifact';
import { messageOf } from '@portcullis/protocol';
import type { Environment } from '../environment.ts';
import type { PullProgress } from './progress.ts';

/** Shows a download on a terminal, if there is one: nothing is said of a policy that is here already. */
export interface DownloadDisplay {
  readonly onProgress: (progress: DownloadProgress) => void;
  /** Says how it ended; whether it did well is for others to handle. */
  until(download: Promise<unknown>): Promise<void>;
}

export function downloadDisplay(uri: string, environment: Environment): DownloadDisplay {
  let shown: Promise<PullProgress> | undefined;
  return {
    onProgress(progress) {
      if (!environment.terminal.isStderrTerminal) return;
      shown ??= import('./progress.ts').then(({ startPullProgress }) => startPullProgress(uri, environment));
      void shown.then((bar) => bar.onProgress(progress));
    },
    async until(download) {
      const [result] = await Promise.allSettled([download]);
      const bar = await shown;
      if (result.status === 'fulfilled') bar?.succeed();
      else bar?.fail(messageOf(result.reason));
    },
  };
}
