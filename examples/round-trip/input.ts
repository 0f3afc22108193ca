/**
 * What the example reads: the file that was named or, without one, the text files of the installed
 * dependencies in a fixed order.
 */

import { readdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const textFile = /\.(md|txt|js|mjs|cjs|ts|mts|cts|json)$/;

/** The files to read; a relative path is one of the folder in which npm was called. */
export function inputFiles(argument: string | undefined): readonly string[] {
  if (argument !== undefined) {
    return [resolve(process.env['INIT_CWD'] ?? process.cwd(), argument)];
  }
  const files: string[] = [];
  collect(findModules(), files);
  return files;
}

/** The nearest `node_modules` above this file. */
function findModules(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const modules = join(folder, 'node_modules');
    if (statSync(modules, { throwIfNoEntry: false })?.isDirectory() === true) return modules;
    const parent = dirname(folder);
    if (parent === folder) throw new Error('there is no node_modules folder: run npm ci first');
    folder = parent;
  }
}

function collect(folder: string, files: string[]): void {
  const entries = readdirSync(folder, { withFileTypes: true });
  entries.sort((one, two) => (one.name < two.name ? -1 : 1));
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) collect(path, files);
    else if (entry.isFile() && textFile.test(entry.name)) files.push(path);
  }
}
