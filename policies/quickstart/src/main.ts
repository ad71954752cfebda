#!/usr/bin/env node
import { BuildError, defaultCacheDir } from '@portcullis/sdk/build';
import { parseCommandLine, QuickstartError } from './command-line.ts';
import { runQuickstart } from './quickstart.ts';

try {
  process.exitCode = await runQuickstart({
    ...parseCommandLine(process.argv.slice(2)),
    cacheDir: defaultCacheDir(process.env),
    folder: process.cwd(),
    write: (text) => process.stdout.write(text),
  });
} catch (error) {
  if (!(error instanceof BuildError) && !(error instanceof QuickstartError)) throw error;
  process.stderr.write(`Error: ${error.message}\n`);
  process.exitCode = 1;
}
