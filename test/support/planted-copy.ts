/**
 * Plants bugs: copies the compiled product and the tests that are to find them, and changes the
 * copy. Whoever hunts a bug runs the tests of the copy in a process of its own.
 */

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

/** A mistake that the product could have, as replacements in its compiled source. */
export interface Plant {
  readonly name: string;
  readonly changes: readonly PlantedChange[];
}

export interface PlantedChange {
  /** Within `src`, without its extension. */
  readonly file: string;
  /** It must occur in the file exactly once, so that a plant which no longer fits is noticed. */
  readonly find: string;
  readonly replace: string;
}

const buildFolder = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/**
 * Runs `run` with the folder of a copy in which the bug is; `parts` are the folders of tests that
 * it needs. Throws when the plant does not fit the build.
 */
export function inPlantedCopy<T>(
  plant: Plant,
  parts: readonly string[],
  run: (folder: string) => T,
): T {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-plant-'));
  try {
    for (const part of ['src', 'test/support', ...parts]) {
      cpSync(join(buildFolder, part), join(folder, part), { recursive: true });
    }
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    let above = buildFolder;
    while (!existsSync(join(above, 'node_modules'))) above = dirname(above);
    symlinkSync(join(above, 'node_modules'), join(folder, 'node_modules'));
    change(folder, plant);
    return run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The changes that do not fit this build exactly once, in words. */
export function misfits({ name, changes }: Plant): string[] {
  return changes.flatMap(({ file, find }) => {
    const times = partsOf(buildFolder, file, find).length - 1;
    return times === 1 ? [] : [`${name}: ${file} has it ${times} times`];
  });
}

function change(folder: string, { name, changes }: Plant): void {
  for (const { file, find, replace } of changes) {
    const parts = partsOf(folder, file, find);
    if (parts.length !== 2) throw new Error(`${name}: ${file} has it ${parts.length - 1} times`);
    writeFileSync(pathOf(folder, file), parts.join(replace));
  }
}

function partsOf(folder: string, file: string, find: string): string[] {
  const path = pathOf(folder, file);
  return existsSync(path) ? readFileSync(path, 'utf8').split(find) : [];
}

function pathOf(folder: string, file: string): string {
  return join(folder, 'src', `${file}.js`);
}
