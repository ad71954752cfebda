const TEXTS = new Map([
  ['ENOENT', 'No such file or directory (os error 2)'],
  ['EACCES', 'Permission denied (os error 13)'],
  ['ENOTDIR', 'Not a directory (os error 20)'],
  ['EISDIR', 'Is a directory (os error 21)'],
  ['EADDRINUSE', 'Address already in use (os error 98)'],
  ['EADDRNOTAVAIL', 'Cannot assign requested address (os error 99)'],
]);

/**
 * The words operators and scripts know for a failed system call, without Node's framing; other errors keep their own
 * message.
 */
export function systemErrorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return TEXTS.get(code) ?? error.message;
}
