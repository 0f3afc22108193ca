/**
 * Option tables: an option's unit, default, bounds and meaning, defined once as data.
 *
 * {@link resolveOptions} checks what a caller gave against a table and yields a frozen object with
 * every option in it; its type follows from the table. Documentation and `describe` read the same
 * table. Relations between options are checked by who owns the table, after this.
 */

import { assert } from './assert.js';
import { createError, type MillraceError } from './errors.js';

export interface IntegerOption {
  readonly unit: string;
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly doc: string;
}

/** A whole number, or the word `'unlimited'`, which JSON and a command line can carry. */
export interface LimitOption {
  readonly unit: string;
  readonly isLimit: true;
  readonly default: number | Unlimited;
  readonly min: number;
  readonly max: number;
  readonly doc: string;
}

export type Unlimited = 'unlimited';

/** A whole number, or the word `'auto'`: it follows from other options. */
export interface AutomaticOption {
  readonly unit: string;
  readonly isAutomatic: true;
  readonly default: number | Automatic;
  readonly min: number;
  readonly max: number;
  readonly doc: string;
}

export type Automatic = 'auto';

/** A number with a fraction. */
export interface FractionOption {
  readonly unit: string;
  readonly isFraction: true;
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly doc: string;
}

/** A list of different names. Their order means nothing: the resolved list is sorted. */
export interface NamesOption {
  readonly default: readonly string[];
  readonly namesMax: number;
  /** Bound of one name, in UTF-8 bytes; none is empty. */
  readonly nameBytesMax: number;
  readonly doc: string;
}

export interface BooleanOption {
  readonly default: boolean;
  readonly doc: string;
}

export interface ChoiceOption {
  readonly values: readonly string[];
  readonly default: string;
  readonly doc: string;
}

export interface StringOption {
  readonly default: string;
  /** Bound of the value, in UTF-8 bytes. */
  readonly bytesMax: number;
  readonly doc: string;
}

export type OptionEntry =
  | IntegerOption
  | LimitOption
  | AutomaticOption
  | FractionOption
  | NamesOption
  | BooleanOption
  | ChoiceOption
  | StringOption;
export type OptionTable = Readonly<Record<string, OptionEntry>>;

export type OptionValue<Entry extends OptionEntry> = Entry extends ChoiceOption
  ? Entry['values'][number]
  : Entry extends LimitOption
    ? number | Unlimited
    : Entry extends AutomaticOption
      ? number | Automatic
      : Entry extends NamesOption
        ? readonly string[]
        : Entry extends IntegerOption
          ? number
          : Entry extends BooleanOption
            ? boolean
            : string;

/** What a caller may give: any of the options; undefined means the default. */
export type GivenOptions<Table extends OptionTable> = {
  readonly [Name in keyof Table]?: OptionValue<Table[Name]> | undefined;
};

export type ResolvedOptions<Table extends OptionTable> = {
  readonly [Name in keyof Table]: OptionValue<Table[Name]>;
};

/** Names and texts longer than this are cut in an error, and get no hint. */
const SHOWN_CHARACTERS_MAX = 64;

/** Declares a table; asserts at load that every default is a value the table accepts. */
export function optionTable<const Table extends OptionTable>(table: Table): Readonly<Table> {
  for (const entry of Object.values(table)) {
    assert(entry.doc.length > 0, 'an option is documented');
    assert(accepts(entry, entry.default), 'the default of an option lies within its bounds');
  }
  return Object.freeze(table);
}

/**
 * The options to use: what `given` says, the default where it says nothing or undefined (null is a
 * value, of no option). Only own properties count.
 * `where` names the call in errors: OPTION_UNKNOWN (with the nearest name), OPTION_INVALID.
 */
export function resolveOptions<Table extends OptionTable>(
  table: Table,
  given: GivenOptions<Table> | undefined,
  where: string,
): ResolvedOptions<Table> {
  const named = ownProperties(given, where);
  for (const name of named.keys()) {
    if (!Object.hasOwn(table, name)) throw unknownOption(table, name, where);
  }
  const resolved: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries(table)) {
    const found = named.get(name);
    const value = takeOver(entry, found === undefined ? entry.default : found);
    if (!accepts(entry, value)) throw invalidOption(name, expected(entry), value, where);
    resolved[name] = value;
  }
  // A copy: names that came one by one leave an object that V8 looks up like a map, at each read.
  return Object.freeze({ ...resolved }) as ResolvedOptions<Table>;
}

/** `resolveOptions` for values of unknown types, as a file or a socket gives them. */
export function resolveForeign<Table extends OptionTable>(
  table: Table,
  given: unknown,
  where: string,
): ResolvedOptions<Table> {
  return resolveOptions(table, given as GivenOptions<Table>, where);
}

/** A limit as a number to compare with. */
export function limitOf(limit: number | Unlimited): number {
  return limit === 'unlimited' ? Number.POSITIVE_INFINITY : limit;
}

/** A list becomes ours, so that it cannot change behind the check; all else is a plain value. */
function takeOver(entry: OptionEntry, value: unknown): unknown {
  if (!('namesMax' in entry) || !Array.isArray(value) || value.length > entry.namesMax) {
    return value;
  }
  return Object.freeze([...value].sort());
}

function ownProperties(given: unknown, where: string): Map<string, unknown> {
  if (given === undefined) return new Map();
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw invalidOption('options', 'an object', given, where);
  }
  return new Map(Object.entries(given));
}

function accepts(entry: OptionEntry, value: unknown): boolean {
  if ('values' in entry) return typeof value === 'string' && entry.values.includes(value);
  if ('min' in entry) {
    if ('isLimit' in entry && value === 'unlimited') return true;
    if ('isAutomatic' in entry && value === 'auto') return true;
    const isNumber = 'isFraction' in entry ? Number.isFinite(value) : Number.isSafeInteger(value);
    return isNumber && Number(value) >= entry.min && Number(value) <= entry.max;
  }
  if ('namesMax' in entry) {
    if (!Array.isArray(value) || value.length > entry.namesMax) return false;
    if (new Set(value).size !== value.length) return false;
    return value.every((name) => isName(name, entry.nameBytesMax));
  }
  if ('bytesMax' in entry) {
    return typeof value === 'string' && Buffer.byteLength(value) <= entry.bytesMax;
  }
  return typeof value === 'boolean';
}

/** Whether this is a text of one to `bytesMax` UTF-8 bytes. */
export function isName(name: unknown, bytesMax: number): name is string {
  return typeof name === 'string' && name !== '' && Buffer.byteLength(name) <= bytesMax;
}

function expected(entry: OptionEntry): string {
  if ('values' in entry) return `one of ${entry.values.join(', ')}`;
  if ('min' in entry) {
    const kind = 'isFraction' in entry ? 'a number' : 'a whole number';
    const range = `${kind} from ${entry.min} to ${entry.max} (${entry.unit})`;
    if ('isAutomatic' in entry) return `${range}, or 'auto'`;
    return 'isLimit' in entry ? `${range}, or 'unlimited'` : range;
  }
  if ('namesMax' in entry) {
    const { namesMax, nameBytesMax } = entry;
    return `a list of at most ${namesMax} different names of at most ${nameBytesMax} bytes`;
  }
  if ('bytesMax' in entry) return `a string of at most ${entry.bytesMax} bytes`;
  return 'true or false';
}

function invalidOption(
  option: string,
  expectation: string,
  actual: unknown,
  where: string,
): MillraceError {
  return createError('OPTION_INVALID', {
    option,
    expected: expectation,
    actual: shown(actual),
    where,
  });
}

function unknownOption(table: OptionTable, name: string, where: string): MillraceError {
  return createError('OPTION_UNKNOWN', {
    option: cut(name),
    nearest: nearestName(Object.keys(table), name),
    where,
  });
}

/** A value as an error can show it: short, and never by running code of the value. */
function shown(value: unknown): string | number | boolean | null {
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return value;
  if (typeof value === 'string') return JSON.stringify(cut(value));
  if (typeof value === 'bigint') return 'a bigint';
  return Array.isArray(value) ? 'an array' : typeof value;
}

function cut(text: string): string {
  return text.length <= SHOWN_CHARACTERS_MAX ? text : `${text.slice(0, SHOWN_CHARACTERS_MAX)}...`;
}

/** The name that fewest edits lead to, when a third of the letters or fewer are wrong. */
function nearestName(names: readonly string[], given: string): string | undefined {
  if (given.length > SHOWN_CHARACTERS_MAX) return undefined;
  let nearest: string | undefined;
  let edits = Math.max(2, Math.floor(given.length / 3)) + 1;
  for (const name of names) {
    const distance = editDistance(name.toLowerCase(), given.toLowerCase());
    if (distance < edits) {
      nearest = name;
      edits = distance;
    }
  }
  return nearest;
}

/** Levenshtein's distance, one row at a time. */
function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= right.length; j += 1) {
      const replaced = (row[j - 1] as number) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[right.length] as number;
}
