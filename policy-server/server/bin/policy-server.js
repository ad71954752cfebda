#!/usr/bin/env node
// Plain JavaScript, so that any Node.js can read it: an old one is told what it lacks instead of failing on syntax, and
// a new one need not load its TypeScript support when everything else comes from the compile cache.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 20)) {
  process.stderr.write(`Error: policy-server needs Node.js 24.20 or newer, this is ${process.versions.node}\n`);
  process.exitCode = 1;
} else {
  const { keepCompiledCode, restartFrugally } = await import('./memory.js');
  restartFrugally();
  keepCompiledCode();
  await import('../src/main.ts');
}
