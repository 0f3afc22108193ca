/**
 * The package as its users get it: packed with `npm pack`, installed into an empty project.
 *
 * Nothing here needs a network. What is packed is a copy of the repository whose `dist` is the
 * build that these tests belong to. npm cannot resolve a version offline, not even of a package in
 * its cache, but it keeps what is there and fits: so copies of the runtime dependencies lie in the
 * project before npm comes. (Links by `overrides` do with npm 11; npm 10 builds their targets.)
 */

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const buildFolder = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const root = dirname(buildFolder);

/** A child that hangs ends here, as a failure. */
const CHILD_MS_MAX = 120_000;
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly type?: string;
  readonly bin?: Readonly<Record<string, string>>;
  readonly exports?: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly engines?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export interface PackedProject {
  /** Holds everything below; whoever made the project removes it. */
  readonly folder: string;
  readonly tarball: Tarball;
  /** An empty ES module project that has the package installed. */
  readonly project: string;
  /** The same, installed with `--omit=optional`: the dependencies lack theirs too. */
  readonly bareProject: string;
}

export interface Tarball {
  readonly path: string;
  readonly bytes: number;
  readonly unpackedBytes: number;
  /** Paths in the package, with forward slashes. */
  readonly files: readonly string[];
}

export interface Outcome {
  /** Exit code, or the name of the signal. */
  readonly status: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

export function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

export async function makePackedProject(): Promise<PackedProject> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  try {
    mkdirSync(join(folder, 'tmp'));
    const tarball = await pack(folder);
    const project = join(folder, 'project');
    const bareProject = join(folder, 'bare-project');
    // Both have ended, well or not, before the folder may go.
    const installs = await Promise.allSettled([
      install(folder, project, tarball, []),
      install(folder, bareProject, tarball, ['--omit=optional']),
    ]);
    for (const each of installs) if (each.status === 'rejected') throw each.reason;
    return { folder, tarball, project, bareProject };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Runs Node in a project; what it leaves in the temporary folder goes with the project. */
export function runNode(cwd: string, options: readonly string[]): Promise<Outcome> {
  return runProgram(process.execPath, options, cwd);
}

export function runProgram(
  program: string,
  options: readonly string[],
  cwd: string,
): Promise<Outcome> {
  const limits = { timeout: CHILD_MS_MAX, maxBuffer: OUTPUT_BYTES_MAX };
  return new Promise((resolve) => {
    execFile(
      program,
      options,
      { ...limits, cwd, env: environment(cwd), shell: needsShell(program) },
      (error, stdout, stderr) => {
        const status = error === null ? 0 : (error.code ?? error.signal ?? error.message);
        resolve({ status, stdout, stderr });
      },
    );
  });
}

/** A program that goes on until somebody ends it. */
export function startProgram(program: string, options: readonly string[], cwd: string) {
  return spawn(program, options, {
    cwd,
    env: environment(cwd),
    shell: needsShell(program),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: CHILD_MS_MAX,
  });
}

/** Fails with everything the child said unless it ended well. */
export function assertSuccess(outcome: Outcome, what: string): void {
  const { status, stdout, stderr } = outcome;
  assert.equal(status, 0, `${what} ended with ${status}\n${stdout}${stderr}`);
}

function environment(cwd: string): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _nested, ...env } = process.env;
  const temporary = join(dirname(cwd), 'tmp');
  return { ...env, ...(existsSync(temporary) ? { TMPDIR: temporary } : {}) };
}

/** npm and what it puts into `.bin` are scripts of the shell on Windows. */
function needsShell(program: string): boolean {
  return process.platform === 'win32' && program !== process.execPath;
}

async function npm(folder: string, cwd: string, options: readonly string[]): Promise<string> {
  // An empty cache: whatever this machine has installed before plays no part.
  const fixed = ['--offline', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const cache = ['--cache', join(folder, 'npm-cache'), '--no-update-notifier'];
  const outcome = await runProgram('npm', [...options, ...fixed, ...cache], cwd);
  assertSuccess(outcome, `npm ${options[0]}`);
  return outcome.stdout;
}

async function pack(folder: string): Promise<Tarball> {
  const stage = join(folder, 'stage');
  // More than the package holds, so that its list of files has something to leave out.
  const entries = ['package.json', 'README.md', 'LICENSE', 'docs', 'src', 'scripts', 'biome.json'];
  for (const entry of entries) {
    if (existsSync(join(root, entry))) {
      cpSync(join(root, entry), join(stage, entry), { recursive: true });
    }
  }
  cpSync(buildFolder, join(stage, 'dist'), { recursive: true });
  const said = await npm(folder, stage, ['pack', '--json', '--pack-destination', folder]);
  const [report] = JSON.parse(said) as readonly {
    readonly filename: string;
    readonly size: number;
    readonly unpackedSize: number;
    readonly files: readonly { readonly path: string }[];
  }[];
  assert.ok(report !== undefined, 'npm pack reports one package');
  return {
    path: join(folder, basename(report.filename)),
    bytes: report.size,
    unpackedBytes: report.unpackedSize,
    files: report.files.map(({ path }) => path),
  };
}

async function install(
  folder: string,
  project: string,
  tarball: Tarball,
  options: readonly string[],
): Promise<void> {
  const { name, dependencies = {} } = readManifest(root);
  copyModules(project, Object.keys(dependencies));
  const manifest = {
    name: 'project',
    private: true,
    type: 'module',
    dependencies: { ...dependencies, [name]: `file:${tarball.path}` },
  };
  writeFileSync(join(project, 'package.json'), JSON.stringify(manifest, undefined, 2));
  await npm(folder, project, ['install', ...options]);
}

/** Copies packages, and what they depend on, as far as this repository has them installed. */
function copyModules(project: string, names: readonly string[]): void {
  const waiting = [...names];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const source = join(root, 'node_modules', name);
    const target = join(project, 'node_modules', name);
    if (!existsSync(source) || existsSync(target)) continue;
    cpSync(source, target, { recursive: true });
    const { dependencies = {}, optionalDependencies = {} } = readManifest(source);
    waiting.push(...Object.keys({ ...dependencies, ...optionalDependencies }));
  }
}
