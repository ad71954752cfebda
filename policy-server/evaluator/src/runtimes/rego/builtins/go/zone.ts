import { UTC, type Zone } from './instant.ts';

/** 1 January and 1 July 2024. */
const RECENT_SEASONS = [1_704_067_200, 1_719_792_000];

const MAX_ZONES = 64;
const zones = new Map<string, Zone>();

/**
 * A zone of the IANA database; `undefined` when there is none of that name. `Local` is UTC: what a policy decides must not
 * depend on where its server stands.
 */
export function zoneNamed(name: string): Zone | undefined {
  if (name === '' || name === 'UTC' || name === 'Local') return UTC;
  const known = zones.get(name);
  if (known !== undefined) return known;
  // Intl also takes offsets such as +01:00, which are no names.
  if (!/^[A-Za-z][\w+\-/]*$/.test(name)) return undefined;
  const zone = zoneOf(name);
  if (zone === undefined) return undefined;
  if (zones.size >= MAX_ZONES) zones.clear();
  zones.set(name, zone);
  return zone;
}

function zoneOf(name: string): Zone | undefined {
  try {
    const clock = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    return {
      name,
      offsetAt: (unixSeconds) => offsetAt(clock, Number(unixSeconds)),
      abbreviationAt: (unixSeconds) => {
        const offset = offsetAt(clock, Number(unixSeconds));
        // Names of long ago are not known to Intl: the one that goes with the same offset today serves as well.
        const twins = RECENT_SEASONS.filter((season) => offsetAt(clock, season) === offset);
        return [Number(unixSeconds), ...twins]
          .map((each) => abbreviationAt(name, each))
          .find((text) => text !== undefined);
      },
    };
  } catch {
    return undefined;
  }
}

/** The farthest instants a Date can hold. */
const LAST_SECOND = 8_640_000_000_000;

function offsetAt(clock: Intl.DateTimeFormat, unixSeconds: number): number {
  const seconds = Math.max(-LAST_SECOND, Math.min(LAST_SECOND, unixSeconds));
  const fields = new Map(clock.formatToParts(seconds * 1000).map(({ type, value }) => [type, Number(value)]));
  const field = (type: Intl.DateTimeFormatPartTypes): number => fields.get(type) ?? 0;
  const date = Date.UTC(
    field('year'),
    field('month') - 1,
    field('day'),
    field('hour'),
    field('minute'),
    field('second'),
  );
  return date / 1000 - seconds;
}

/** English speakers of different countries know different abbreviations; `GMT+2` is none. */
const LOCALES = ['en-US', 'en-GB', 'en-CA', 'en-AU', 'en-NZ', 'en-IN', 'en-ZA'];

function abbreviationAt(name: string, unixSeconds: number): string | undefined {
  for (const locale of LOCALES) {
    const parts = new Intl.DateTimeFormat(locale, { timeZone: name, timeZoneName: 'short' }).formatToParts(
      unixSeconds * 1000,
    );
    const text = parts.find(({ type }) => type === 'timeZoneName')?.value;
    if (text !== undefined && /^[A-Z]{3,5}$/.test(text)) return text;
  }
  return undefined;
}
