/**
 * What a consumer subscribes to: names, and patterns that new topics may match.
 */

import { createError } from '../../base/errors.js';
import { checkTopicName } from '../topic/topic-name.js';

const SELECTORS_MAX = 10_000;

/** A name, or a pattern for names. */
export type TopicSelector = string | RegExp;

/** The topics that there are. */
export interface TopicCatalog {
  names(): readonly string[];
  has(name: string): boolean;
}

export class ConsumerTopics {
  readonly #names: readonly string[];
  readonly #patterns: readonly RegExp[];

  /** Throws OPTION_INVALID, INVALID_TOPIC_NAME. */
  constructor(selectors: readonly TopicSelector[]) {
    if (!Array.isArray(selectors) || selectors.length === 0 || selectors.length > SELECTORS_MAX) {
      throw invalidTopics();
    }
    const names = new Set<string>();
    const patterns: RegExp[] = [];
    for (const selector of selectors) {
      if (selector instanceof RegExp) patterns.push(stateless(selector));
      else {
        checkTopicName(selector);
        names.add(selector);
      }
    }
    this.#names = [...names];
    this.#patterns = patterns;
  }

  /** The named topics. */
  get names(): readonly string[] {
    return this.#names;
  }

  /** Whether topics that are not there yet may come to belong to it by their names. */
  get hasPatterns(): boolean {
    return this.#patterns.length > 0;
  }

  /** Those that are there now, sorted. */
  in(catalog: TopicCatalog): string[] {
    const found = new Set(this.#names.filter((name) => catalog.has(name)));
    if (this.hasPatterns) {
      for (const name of catalog.names()) {
        if (this.#patterns.some((pattern) => pattern.test(name))) found.add(name);
      }
    }
    return [...found].sort();
  }
}

/** A sticky or global pattern remembers where it stopped: the copy does not. */
function stateless({ source, flags }: RegExp): RegExp {
  return new RegExp(source, flags.replaceAll(/[gy]/g, ''));
}

function invalidTopics(): Error {
  return createError('OPTION_INVALID', {
    option: 'topics',
    expected: `1 to ${SELECTORS_MAX} names or patterns`,
    where: 'consumer',
  });
}
