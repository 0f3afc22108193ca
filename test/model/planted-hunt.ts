/**
 * Hunts planted bugs: lets the campaign loose on a copy of the product that has one, in a process
 * of its own.
 */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { inPlantedCopy, type Plant } from '../support/planted-copy.js';

export interface PlantedBug extends Plant {
  /** Which campaign hunts it; that of streams when it says nothing. */
  readonly area?: 'queues';
}

export interface Hunt {
  readonly bug: string;
  /** How many sequences it took, the one that found it included; undefined when none did. */
  readonly sequences: number | undefined;
  /** The first line of the finding. */
  readonly finding: string;
  readonly seconds: number;
}

const HUNT_MS_MAX = 30 * 60_000;

/** Throws when the plant does not fit the build. */
export function huntPlantedBug(bug: PlantedBug, seed: number, sequencesMax: number): Hunt {
  const startedMs = performance.now();
  return inPlantedCopy(bug, ['test/model'], (folder) => {
    const entry = join(folder, 'test', 'model', 'run.js');
    const options = ['--sequences', `${sequencesMax}`, '--seed', `${seed}`, '--whole', '--json'];
    if (bug.area === 'queues') options.push('--queues');
    const child = spawnSync(process.execPath, [entry, ...options], {
      encoding: 'utf8',
      env: { ...process.env, MILLRACE_DEBUG: '1' },
      timeout: HUNT_MS_MAX,
    });
    const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
    if (child.status === 0) {
      return { bug: bug.name, sequences: undefined, finding: '', seconds };
    }
    const { sequences, violation } = reportOf(child.stdout) ?? {
      sequences: undefined,
      violation: `the process died: ${child.stderr.slice(-200)}`,
    };
    return { bug: bug.name, sequences, finding: violation, seconds };
  });
}

function reportOf(text: string): { sequences: number; violation: string } | undefined {
  const line = text.trim().split('\n').at(-1) ?? '';
  if (!line.startsWith('{')) return undefined;
  const { sequences, violation }: { sequences: number; violation: string } = JSON.parse(line);
  return { sequences, violation };
}
