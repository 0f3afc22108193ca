/**
 * Where in the product calls of the file system are made: counted at run time by the line of the
 * compiled product that makes the call, and listed from its text.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SimFault } from '../../support/sim-faults.js';
import type { SimMadeHook } from '../../support/sim-machine.js';

export interface SiteFault {
  /** `storage/writer-core:185`. */
  readonly site: string;
  readonly fault: Pick<SimFault, 'errno' | 'short'>;
  /** How many calls of the site are let through. */
  readonly skip: number;
  /** With `forever` every later call fails, wherever it is made. */
  readonly repeat: 'once' | 'forever';
}

const build = fileURLToPath(new URL('../../../src/', import.meta.url));
const STACK_DEPTH = 24;
const FRAME = /\/src\/((?:broker|storage|index)\/[\w/-]+)\.js:(\d+):\d+/;

/** Calls on a file system, and on files that were opened for reading. */
const CALLS = [
  /(?:[fF]ileSystem|\bfs)\.(?:open|write|read|size|datasync|truncate|close|rename|unlink)\(/,
  /(?:[fF]ileSystem|\bfs)\.(?:makeDirectory|removeDirectory|syncDirectory|list|facts|freeBytes)\(/,
  /(?:\bfile|this\.#file)\.(?:read|size|close)\(/,
  /\bawait source\??\.(?:read|size|close)\(/,
];

/** Lines that look like such calls, by a part of their site, and what they are. */
const others: readonly { readonly site: string; readonly reason: string }[] = [
  { site: 'storage/holder-socket', reason: 'sockets are made on the real file system' },
  { site: 'storage/log-read-only:', reason: 'closes what a log reads from, not a file' },
];

/** Every line of the compiled storage and broker that makes a call, as `folder/file:line`. */
export function listSites(): string[] {
  const sites: string[] = [];
  for (const folder of ['storage', 'broker']) {
    for (const name of readdirSync(join(build, folder), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.js')) continue;
      const lines = readFileSync(join(build, folder, name), 'utf8').split('\n');
      for (const [index, line] of lines.entries()) {
        if (/^\s*(?:\*|\/\/)/.test(line) || !CALLS.some((call) => call.test(line))) continue;
        const site = `${folder}/${name.slice(0, -'.js'.length)}:${index + 1}`;
        if (!others.some((other) => site.startsWith(other.site))) sites.push(site);
      }
    }
  }
  return sites;
}

/** Hears of each call while who makes it is on the stack; lets one of them fail. */
export class SiteTracer {
  /** Calls by site. */
  readonly hits = new Map<string, number>();
  /** What kinds of calls a site makes. */
  readonly names = new Map<string, Set<string>>();
  readonly #fault: SiteFault | undefined;
  #left: number;
  #hasStruck = false;

  constructor(fault?: SiteFault) {
    this.#fault = fault;
    this.#left = fault?.skip ?? 0;
  }

  get hasStruck(): boolean {
    return this.#hasStruck;
  }

  readonly onMade: SimMadeHook = (name) => {
    const site = siteOfStack();
    if (site === undefined) return undefined;
    this.hits.set(site, (this.hits.get(site) ?? 0) + 1);
    const names = this.names.get(site) ?? new Set();
    this.names.set(site, names.add(name));
    return this.#decide(site, name);
  };

  #decide(site: string, name: string): SimFault | undefined {
    const planned = this.#fault;
    if (planned === undefined) return undefined;
    if (planned.fault.short !== undefined && name !== 'write') return undefined;
    if (this.#hasStruck) return planned.repeat === 'forever' ? planned.fault : undefined;
    if (site !== planned.site) return undefined;
    this.#left -= 1;
    if (this.#left >= 0) return undefined;
    this.#hasStruck = true;
    return planned.fault;
  }
}

function siteOfStack(): string | undefined {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = STACK_DEPTH;
  const { stack = '' } = new Error('here');
  Error.stackTraceLimit = stackTraceLimit;
  for (const line of stack.split('\n')) {
    const found = FRAME.exec(line);
    if (found !== null) return `${found[1]}:${found[2]}`;
  }
  return undefined;
}
