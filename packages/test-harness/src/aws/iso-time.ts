/** Seconds since the epoch as ISO 8601 in UTC with milliseconds. */
export function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
