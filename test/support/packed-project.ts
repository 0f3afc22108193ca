/**
 * The package as its users get it: packed with `npm pack`, installed into an empty project.
 *
 * Nothing here needs a network. What is packed is a copy of the repository whose `dist` is the
 * build that these tests belong to. The runtime dependencies are links to the repository's own, by
 * `overrides`: npm cannot resolve a version offline, not even one that is in its cache.
 */

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
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
  /** The same without any optional dependency, those of the dependencies included. */
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
  mkdirSync(join(folder, 'tmp'));
  const tarball = await pack(folder);
  const project = join(folder, 'project');
  await install(folder, project, tarball);
  const bareProject = join(folder, 'bare-project');
  copyWithoutOptional(project, bareProject);
  return { folder, tarball, project, bareProject };
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

async function install(folder: string, project: string, tarball: Tarball): Promise<void> {
  const { name, dependencies = {} } = readManifest(root);
  const overrides = Object.fromEntries(
    Object.keys(dependencies).map((dependency) => [dependency, `file:${moduleFolder(dependency)}`]),
  );
  const manifest = {
    name: 'project',
    private: true,
    type: 'module',
    dependencies: { [name]: `file:${tarball.path}` },
    overrides,
  };
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), JSON.stringify(manifest, undefined, 2));
  await npm(folder, project, ['install']);
}

/**
 * Copies the installed package and, of its dependencies, what `npm install --omit=optional` would
 * leave. npm itself cannot show this offline: links lead to packages that have everything, and for
 * copies it asks the registry.
 */
function copyWithoutOptional(project: string, bareProject: string): void {
  const { name } = readManifest(root);
  const modules = join(bareProject, 'node_modules');
  cpSync(join(project, 'node_modules', name), join(modules, name), { recursive: true });
  writeFileSync(join(bareProject, 'package.json'), JSON.stringify({ type: 'module' }));
  const waiting = Object.keys(readManifest(root).dependencies ?? {});
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (existsSync(join(modules, next))) continue;
    const source = moduleFolder(next);
    cpSync(source, join(modules, next), { recursive: true });
    const { dependencies = {}, optionalDependencies = {} } = readManifest(source);
    waiting.push(...Object.keys(dependencies).filter((each) => !(each in optionalDependencies)));
  }
}

function moduleFolder(name: string): string {
  return join(root, 'node_modules', name);
}
