/**
 * Which crashes of a simulated disk to try: all of them when few effects are pending, otherwise the
 * corner cases and a seeded sample. Choices are plain values: print one, paste it into
 * `disk.crash(...)`, and the same disk is back.
 */

import { Prng } from '../../src/base/prng.js';
import { type CrashChoice, keptEffects, type TornPage } from './sim-crash-state.js';
import { dependenciesOf, type Effect, type PageEffect } from './sim-effects.js';
import type { SimDisk } from './sim-file-system.js';
import { sectorBytes } from './sim-image.js';

export type { CrashChoice, TornPage } from './sim-crash-state.js';

/** Up to this many pending effects every subset is tried. */
const exhaustiveEffectsMax = 12;

/** Power loss right at the last sync: nothing that was pending got through. */
export const crashNone: CrashChoice = Object.freeze({ kept: Object.freeze([]) });

/** Power loss when everything had just been written out. */
export function crashAll(disk: SimDisk): CrashChoice {
  return { kept: range(disk.pendingCount()) };
}

/**
 * At most `limit` choices that leave different disks, the most telling first, the same for the same
 * disk and seed. With up to 12 pending effects and a sufficient limit all subsets are among them.
 */
export function* enumerateCrashes(disk: SimDisk, limit: number, seed = 1): Generator<CrashChoice> {
  const effects = disk.effects();
  const seen = new Set<string>();
  const needs = dependenciesOf(effects);
  // Different choices may leave the same disk; a disk with few ends must not be searched for ever.
  let attemptsLeft = limit * 8 + 2 ** (exhaustiveEffectsMax + 1);
  for (const choice of candidates(effects, limit, seed)) {
    if (seen.size >= limit || attemptsLeft === 0) return;
    attemptsLeft -= 1;
    const key = keyOf(effects, choice, needs);
    if (seen.has(key)) continue;
    seen.add(key);
    yield choice;
  }
}

/** One choice drawn from `seed`. */
export function randomCrash(disk: SimDisk, seed: number): CrashChoice {
  return drawChoice(disk.effects(), new Prng(seed));
}

function* candidates(
  effects: readonly Effect[],
  limit: number,
  seed: number,
): Generator<CrashChoice> {
  const prng = new Prng(seed);
  const count = effects.length;
  yield crashNone;
  yield { kept: range(count) };
  // No family of corner cases may use up the limit alone.
  const share = Math.max(4, Math.ceil(limit / 8));
  for (const family of [oneKind(effects), prefixes(count), allButOne(count), onlyOne(count)]) {
    yield* spread(family, share);
  }
  yield* spread(tears(effects), share * 2);
  if (count > exhaustiveEffectsMax) {
    for (;;) yield drawChoice(effects, prng);
  }
  const masks = range(2 ** count);
  if (masks.length > limit) prng.shuffle(masks);
  for (const mask of masks) yield { kept: range(count).filter((bit) => (mask >> bit) % 2 === 1) };
}

// ---- Families of corner cases: made one by one, since each choice names most of the effects.

interface Family {
  readonly count: number;
  at(place: number): CrashChoice;
}

/** Sizes without pages, pages without sizes, names without content, content without names. */
function oneKind(effects: readonly Effect[]): Family {
  const kinds = ['page', 'size', 'entries'] as const;
  const choices = kinds.flatMap((kind) => [
    { kept: range(effects.length).filter((index) => effects[index]?.kind === kind) },
    { kept: range(effects.length).filter((index) => effects[index]?.kind !== kind) },
  ]);
  return { count: choices.length, at: (place) => choices[place] ?? crashNone };
}

function prefixes(count: number): Family {
  return { count, at: (end) => ({ kept: range(end) }) };
}

function allButOne(count: number): Family {
  return { count, at: (lost) => ({ kept: range(count).filter((index) => index !== lost) }) };
}

function onlyOne(count: number): Family {
  return { count, at: (index) => ({ kept: [index] }) };
}

/** Each page torn by sectors, the last one of each file also by bytes; the last pages first. */
function tears(effects: readonly Effect[]): Family {
  const filesDone = new Set<number>();
  const parts: TornPage[] = [];
  for (let index = effects.length - 1; index >= 0; index -= 1) {
    const effect = effects[index];
    if (effect?.kind !== 'page') continue;
    if (!filesDone.has(effect.file)) parts.push(...tornBytes(effect, index));
    filesDone.add(effect.file);
    parts.push(...tornSectors(effect, index));
  }
  return {
    count: parts.length * 2,
    at(place) {
      const part = parts[place >> 1];
      if (part === undefined) return crashNone;
      const others = range(effects.length).filter((index) => index !== part.effect);
      if (place % 2 === 0) return { kept: others, torn: [part] };
      // The size of an append comes after its pages: keep it, or the torn bytes are not seen.
      const isEarly = (index: number): boolean =>
        index < part.effect || effects[index]?.kind === 'size';
      return { kept: others.filter(isEarly), torn: [part] };
    },
  };
}

function tornBytes(effect: PageEffect, index: number): TornPage[] {
  const count = effect.end - effect.start;
  const cuts = [1, count >> 1, count - 1].filter((bytes) => bytes > 0 && bytes < count);
  return cuts.map((bytes) => ({ effect: index, sectors: 0, bytes }));
}

function tornSectors(effect: PageEffect, index: number): TornPage[] {
  const first = Math.floor(effect.start / sectorBytes);
  const last = Math.floor((effect.end - 1) / sectorBytes);
  const touched = range(8).filter((sector) => sector >= first && sector <= last);
  if (touched.length < 2) return [];
  const middle = touched.length >> 1;
  const parts = [
    touched.slice(0, middle),
    touched.slice(middle),
    touched.filter((_, place) => place % 2 === 0),
    touched.slice(0, -1),
    touched.slice(1),
  ];
  return parts.map((sectors) => ({
    effect: index,
    sectors: sectors.reduce((mask, sector) => mask | (1 << sector), 0),
  }));
}

// ---- Sampling.

/** A random share of the effects, often behind a prefix that all got through, often with tears. */
function drawChoice(effects: readonly Effect[], prng: Prng): CrashChoice {
  const whole = prng.boolean() ? prng.integer(effects.length + 1) : 0;
  const probability = prng.pick([0.05, 0.3, 0.5, 0.7, 0.95]);
  const kept = range(effects.length).filter((index) => index < whole || prng.boolean(probability));
  const torn: TornPage[] = [];
  const pages = range(effects.length).filter((index) => effects[index]?.kind === 'page');
  const tornCount = pages.length > 0 && prng.boolean() ? prng.integer(3) + 1 : 0;
  for (let drawn = 0; drawn < tornCount; drawn += 1) {
    const index = prng.pick(pages);
    const effect = effects[index];
    if (effect?.kind !== 'page') continue;
    const sectors = prng.integer(256);
    // Only the write that was on its way when the power went may be torn within a sector.
    const isLast = index === pages.at(-1) && prng.boolean();
    const bytes = prng.integer(effect.end - effect.start);
    torn.push(isLast ? { effect: index, sectors: 0, bytes } : { effect: index, sectors });
  }
  const tornEffects = new Set(torn.map((page) => page.effect));
  return { kept: kept.filter((index) => !tornEffects.has(index)), torn };
}

/** Equal for choices that leave the same disk by the same effects. */
function keyOf(
  effects: readonly Effect[],
  choice: CrashChoice,
  needs: readonly (readonly number[])[],
): string {
  const kept = keptEffects(effects, choice, needs);
  const isCovered = new Set<string>();
  const shown: string[] = [];
  const torn = new Map((choice.torn ?? []).map((page) => [page.effect, page]));
  for (let index = effects.length - 1; index >= 0; index -= 1) {
    const effect = effects[index];
    const page = effect?.kind === 'page' ? `${effect.file}/${effect.page}` : undefined;
    if (page !== undefined && isCovered.has(page)) continue;
    const part = torn.get(index);
    if (kept.has(index)) {
      shown.push(`${index}`);
      if (page !== undefined) isCovered.add(page);
    } else if (part !== undefined) {
      shown.push(`${index}:${part.bytes ?? `s${part.sectors}`}`);
    }
  }
  return shown.join(',');
}

/** At most `limit` choices, evenly over the whole family. */
function* spread(family: Family, limit: number): Generator<CrashChoice> {
  const count = Math.min(family.count, limit);
  for (let place = 0; place < count; place += 1) {
    yield family.at(Math.floor((place * family.count) / count));
  }
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
