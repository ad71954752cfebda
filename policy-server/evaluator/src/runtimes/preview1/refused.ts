import { ERRNO } from './errno.ts';

const LAST_STANDARD_STREAM = 2;

const ON_FILES = [
  'fd_advise',
  'fd_allocate',
  'fd_datasync',
  'fd_fdstat_set_rights',
  'fd_filestat_set_size',
  'fd_filestat_set_times',
  'fd_renumber',
  'fd_sync',
] as const;

const ON_FOLDERS = [
  'fd_readdir',
  'path_create_directory',
  'path_filestat_get',
  'path_filestat_set_times',
  'path_open',
  'path_readlink',
  'path_remove_directory',
  'path_rename',
  'path_unlink_file',
] as const;

const ON_SOCKETS = ['sock_accept', 'sock_recv', 'sock_send', 'sock_shutdown'] as const;

type RefusedName = (typeof ON_FILES)[number] | (typeof ON_FOLDERS)[number] | (typeof ON_SOCKETS)[number] | LinkName;
type LinkName = 'path_link' | 'path_symlink';

/** Functions that would need a file, a folder or a socket. Guests import them through their C library and never get that far. */
export function refusedFunctions(): Readonly<Record<RefusedName, (descriptor: number) => number>> {
  const refuse = (names: readonly RefusedName[], errno: number) =>
    names.map((name) => [
      name,
      (descriptor: number) => (descriptor >>> 0 <= LAST_STANDARD_STREAM ? errno : ERRNO.badf),
    ]);
  return Object.fromEntries([
    ...refuse(ON_FILES, ERRNO.notsup),
    ...refuse(ON_FOLDERS, ERRNO.notdir),
    ...refuse(ON_SOCKETS, ERRNO.notsock),
    // Their first parameters are not descriptors.
    ['path_link', () => ERRNO.nosys],
    ['path_symlink', () => ERRNO.nosys],
  ]);
}
