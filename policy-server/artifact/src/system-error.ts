const TEXTS = new Map([
  ['ENOENT', 'No such file or directory (os error 2)'],
  ['EACCES', 'Permission denied (os error 13)'],
  ['ENOTDIR', 'Not a directory (os error 20)'],
  ['EISDIR', 'Is a directory (os error 21)'],
  ['EADDRINUSE', 'Address already in use (os error 98)'],
  ['ENOSPC', 'No space left on device (os error 28)'],
  ['EROFS', 'Read-only file system (os error 30)'],
  ['ENAMETOOLONG', 'File name too long (os error 36)'],
  ['EDQUOT', 'Disk quota exceeded (os error 122)'],
  ['EADDRNOTAVAIL', 'Cannot assign requested address (os error 99)'],
]);

/**
 * The words operators and scripts know for a failed system call, without Node's framing; other errors keep their own
 * message.
 */
export function systemErrorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return TEXTS.get(systemErrorCode(error)) ?? error.message;
}

/** `ENOENT` and the like; the empty text when the error is none of a system call. */
export function systemErrorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
