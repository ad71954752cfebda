const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** A size for people: decimal units, at most two decimals. */
export function formatBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), UNITS.length - 1);
  return `${Number((bytes / 1000 ** power).toFixed(2))} ${UNITS[power]}`;
}
