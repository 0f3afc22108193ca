/**
 * Hunts planted bugs: copies the compiled product and the model, changes the copy, and lets the
 * campaign loose on it in a process of its own.
 */

import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PlantedBug } from './planted-bugs.js';

export interface Hunt {
  readonly bug: string;
  /** How many sequences it took, the one that found it included; undefined when none did. */
  readonly sequences: number | undefined;
  /** The first line of the finding. */
  readonly finding: string;
  readonly seconds: number;
}

const HUNT_MS_MAX = 30 * 60_000;
const buildFolder = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Throws when the plant does not fit the build. */
export function huntPlantedBug(bug: PlantedBug, seed: number, sequencesMax: number): Hunt {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-plant-'));
  const startedMs = performance.now();
  try {
    copyBuild(folder);
    plant(folder, bug);
    const entry = join(folder, 'test', 'model', 'run.js');
    const options = ['--sequences', `${sequencesMax}`, '--seed', `${seed}`, '--whole', '--json'];
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
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Changes the copy in `folder`; every replacement must fit exactly once. */
function plant(folder: string, { name, changes }: PlantedBug): void {
  for (const { file, find, replace } of changes) {
    const path = join(folder, 'src', `${file}.js`);
    const parts = readFileSync(path, 'utf8').split(find);
    if (parts.length !== 2) throw new Error(`${name}: ${file} has it ${parts.length - 1} times`);
    writeFileSync(path, parts.join(replace));
  }
}

/** The changes that do not fit this build exactly once, in words. */
export function misfits({ name, changes }: PlantedBug): string[] {
  return changes.flatMap(({ file, find }) => {
    const path = join(buildFolder, 'src', `${file}.js`);
    const times = readFileSync(path, 'utf8').split(find).length - 1;
    return times === 1 ? [] : [`${name}: ${file} has it ${times} times`];
  });
}

function copyBuild(folder: string): void {
  for (const part of ['src', 'test/model', 'test/support']) {
    cpSync(join(buildFolder, part), join(folder, part), { recursive: true });
  }
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  let above = buildFolder;
  while (!existsSync(join(above, 'node_modules'))) above = dirname(above);
  symlinkSync(join(above, 'node_modules'), join(folder, 'node_modules'));
}

function reportOf(text: string): { sequences: number; violation: string } | undefined {
  const line = text.trim().split('\n').at(-1) ?? '';
  if (!line.startsWith('{')) return undefined;
  const { sequences, violation }: { sequences: number; violation: string } = JSON.parse(line);
  return { sequences, violation };
}
