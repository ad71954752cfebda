#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { BuildError, defaultCacheDir } from '@portcullis/sdk/build';
import { runQuickstart } from './quickstart.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '3000' },
    'readiness-probe-port': { type: 'string', default: '8081' },
  },
});

try {
  process.exitCode = await runQuickstart({
    port: Number(values.port),
    readinessPort: Number(values['readiness-probe-port']),
    cacheDir: defaultCacheDir(process.env),
    folder: process.cwd(),
    write: (text) => process.stdout.write(text),
  });
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  process.stderr.write(`Error: ${error.message}\n`);
  process.exitCode = 1;
}
