/** A text of somebody else's choice as it may stand in the log: its beginning, and how long it was. */
export function bounded(text: string, maxLength: number): string {
  return text.length > maxLength ? `${text.slice(0, maxLength)}… (${text.length} characters)` : text;
}
