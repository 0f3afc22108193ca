/**
 * Which test files there are, which group each belongs to, and which share a process. Pure.
 *
 * A group is a folder of `test/`, or a kind of test named by its suffix (`log.property.test.ts`).
 * To start a process and load the library takes longer than most files do, so small ones share
 * one; what takes long, or needs a process that is new, has its own.
 */

/** Suffixes that make a group, wherever the file lies; crashes of simulated disks are `cuts`. */
const suffixes: Readonly<Record<string, string>> = {
  model: 'model',
  cuts: 'crash',
  property: 'property',
};

/** The order of groups: what takes long comes first, so that all processors are busy to the end. */
const ORDER = ['model', 'cuts', 'crash', 'package', 'cli', 'property', 'soak', 'broker', 'storage'];

/** Groups whose files have a process each. */
const APART: readonly string[] = ['model', 'cuts', 'crash', 'package', 'cli', 'soak'];

/** Files of other groups that have a process of their own, and why. */
export const ALONE: Readonly<Record<string, string>> = {
  'base/node-file-system.test.js': 'its tests are those of a contract',
  'broker/partition-log.test.js': 'its tests are those of a contract',
  'support/sim-file-system.test.js': 'its tests are those of a contract',
  'storage/compression-absent.test.js': 'a package is missing in its process',
};

/** Files of one process. */
const SHARED_FILES_MAX = 12;

export interface TestGroup {
  readonly name: string;
  /** Paths below `test/`, with forward slashes; each list shares a process. */
  readonly processes: readonly (readonly string[])[];
}

/** The groups in the order in which they begin; folders that `ORDER` does not name come last. */
export function planTests(files: readonly string[]): TestGroup[] {
  const groups = new Map<string, string[]>(ORDER.map((name) => [name, []]));
  for (const file of files) {
    const name = groupOf(file);
    groups.set(name, [...(groups.get(name) ?? []), file]);
  }
  return [...groups]
    .filter(([, members]) => members.length > 0)
    .map(([name, members]) => ({ name, processes: processesOf(name, members) }));
}

/** The group of a file; `tidy` is what lies directly in `test/`. */
export function groupOf(file: string): string {
  for (const [name, suffix] of Object.entries(suffixes)) {
    if (file.endsWith(`.${suffix}.test.js`)) return name;
  }
  const [folder = '', ...rest] = file.split('/');
  return rest.length === 0 ? 'tidy' : folder;
}

function processesOf(group: string, files: readonly string[]): string[][] {
  const isApart = (file: string): boolean => APART.includes(group) || file in ALONE;
  const shared = files.filter((file) => !isApart(file));
  const count = Math.ceil(shared.length / SHARED_FILES_MAX);
  const processes = files.filter(isApart).map((file) => [file]);
  // In turn, so that neighbours, which are often alike, are spread over the processes.
  for (let first = 0; first < count; first += 1) {
    processes.push(shared.filter((_, index) => index % count === first));
  }
  return processes;
}
