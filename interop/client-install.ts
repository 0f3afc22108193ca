/**
 * Installs clients of other languages into a cache of the comparison, by the ordinary tools of each
 * language, and says how a script of theirs is started.
 *
 * Each client has a folder of its own, named by the exact versions in it, so that one that cannot be
 * installed keeps none of the others out, and a machine without network can repeat a run. A tool or
 * a registry that is not there is an outcome with a reason, not a failure.
 */

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ChildExit, type ChildProcesses, readOutput } from './child-processes.js';
import type { ClientScript } from './client-table.js';
import { javaCommand, toolMemory } from './java-command.js';
import type { Toolchain } from './java-toolchain.js';

/** A client in C is compiled, on a slow machine for many minutes. */
const INSTALL_MS_MAX = 20 * 60_000;
const PROBE_MS_MAX = 30_000;
const REASON_CHARACTERS_MAX = 300;

export type InstalledClient =
  /** The command, to which the server's address and a name are added. */
  | {
      readonly outcome: 'ready';
      readonly command: readonly [string, ...string[]];
      /** Where a script of JavaScript must lie to find its packages. */
      readonly folder?: string;
    }
  | { readonly outcome: 'missing'; readonly reason: string };

export interface ClientFolders {
  /** Where the scripts are, and the lists of packages. */
  readonly source: string;
  /** Where clients are installed; may be absent, and stays. */
  readonly cache: string;
}

export class ClientInstaller {
  readonly #children: ChildProcesses;
  readonly #toolchain: Toolchain;
  readonly #sourceFolder: string;
  readonly #cacheFolder: string;

  constructor(children: ChildProcesses, toolchain: Toolchain, { source, cache }: ClientFolders) {
    this.#children = children;
    this.#toolchain = toolchain;
    this.#sourceFolder = source;
    this.#cacheFolder = cache;
  }

  async install(client: ClientScript): Promise<InstalledClient> {
    switch (client.language) {
      case 'Java': {
        const main = `millrace.interop.${client.script}`;
        return { outcome: 'ready', command: javaCommand(this.#toolchain, toolMemory, main) };
      }
      case 'JavaScript':
        return this.#installFromNpm(client);
      case 'Python':
        return this.#installFromPip(client);
      case 'C':
        return this.#findProgram(client);
    }
  }

  async #installFromNpm({ name, script, packages }: ClientScript): Promise<InstalledClient> {
    const listed = JSON.parse(await readFile(join(this.#sourceFolder, 'package.json'), 'utf8'));
    const wanted = packages.map((each) => `${each}@${listed.dependencies[each]}`);
    // What a package compiles is for one version of Node.
    const folder = this.#folderOf(name, [...wanted, process.version]);
    const reason = await this.#once(folder, async (unfinished) => {
      await writeFile(join(unfinished, 'package.json'), '{ "private": true }\n');
      const quiet = ['--no-audit', '--no-fund', '--loglevel', 'error'];
      return this.#run(name, 'npm', 'install', '--prefix', unfinished, ...quiet, ...wanted);
    });
    if (reason !== undefined) return { outcome: 'missing', reason };
    // A script finds packages beside itself.
    for (const file of await readdir(this.#sourceFolder)) {
      if (file.endsWith('.mjs')) await copyFile(join(this.#sourceFolder, file), join(folder, file));
    }
    return { outcome: 'ready', command: [process.execPath, join(folder, script)], folder };
  }

  async #installFromPip({ name, script, packages }: ClientScript): Promise<InstalledClient> {
    const listed = await readFile(join(this.#sourceFolder, 'requirements.txt'), 'utf8');
    const wanted = listed
      .split('\n')
      .filter((line) => packages.includes(line.split('==')[0] ?? ''));
    const folder = this.#folderOf(name, wanted);
    const python = join(folder, 'bin', 'python');
    // The programs of a virtual environment know its place, so it is made where it stays.
    const reason = await this.#once(folder, async () => {
      const failed = await this.#run(name, 'python3', '-m', 'venv', folder);
      if (failed !== undefined) return failed;
      const quiet = ['--quiet', '--disable-pip-version-check', '--only-binary', ':all:'];
      return this.#run(name, python, '-m', 'pip', 'install', ...quiet, ...wanted);
    });
    if (reason !== undefined) return { outcome: 'missing', reason };
    return { outcome: 'ready', command: [python, '-B', join(this.#sourceFolder, script)] };
  }

  async #findProgram({ name, script, packages }: ClientScript): Promise<InstalledClient> {
    for (const program of packages) {
      const exit = await this.#children.run(name, PROBE_MS_MAX, program, '-V');
      if (exit.outcome === 'not-found') {
        return { outcome: 'missing', reason: `${program} is not installed` };
      }
    }
    return { outcome: 'ready', command: ['bash', join(this.#sourceFolder, script)] };
  }

  #folderOf(name: string, versions: readonly string[]): string {
    const hash = createHash('sha256').update(versions.join('\n')).digest('hex').slice(0, 16);
    return join(this.#cacheFolder, `client-${name}-${hash}`);
  }

  /** Fills a folder once; a note in it says that it is whole. Returns what went wrong. */
  async #once(
    folder: string,
    fill: (folder: string) => Promise<string | undefined>,
  ): Promise<string | undefined> {
    const note = join(folder, 'complete');
    if (existsSync(note)) return undefined;
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    const reason = await fill(folder);
    if (reason !== undefined) {
      await rm(folder, { recursive: true, force: true });
      return reason;
    }
    await writeFile(`${note}.unfinished`, '');
    await rename(`${note}.unfinished`, note);
    return undefined;
  }

  /** Undefined when the program succeeded, else the last that it said. */
  async #run(
    name: string,
    program: string,
    ...args: readonly string[]
  ): Promise<string | undefined> {
    const exit = await this.#children.run(`install-${name}`, INSTALL_MS_MAX, program, ...args);
    if (exit.outcome === 'not-found') return `${program} is not installed`;
    if (exit.outcome === 'exited' && exit.exitCode === 0) return undefined;
    return `${program} ${args[0]}: ${exit.outcome}, exit code ${exit.exitCode}: ${tailOf(exit)}`;
  }
}

function tailOf(exit: ChildExit): string {
  const lines = (readOutput(exit.stdoutFile) + readOutput(exit.stderrFile)).trim().split('\n');
  // What stopped make or threw says more than what npm says of it.
  const telling = lines.find((line) => /\*\*\*|Error: /.test(line));
  const error = telling ?? lines.find((line) => /error/i.test(line)) ?? lines.at(-1) ?? '';
  return error.slice(0, REASON_CHARACTERS_MAX);
}
