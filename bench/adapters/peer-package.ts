/**
 * The packages of peers: they lie below `bench/peers`, whoever does not measure has none of them.
 *
 * They have no types here: each adapter declares the few calls that it makes.
 */

import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** The compiled file lies three folders below the package. */
const root = fileURLToPath(new URL('../../../', import.meta.url));
const folder = join(root, 'bench', 'peers');

/** Imports a package; `Exports` is what the adapter declares of it. */
export async function loadPeer<Exports>(name: string): Promise<Exports> {
  const { load } = await import(pathToFileURL(join(folder, 'load.mjs')).href);
  return await load(name);
}

/** The installed version, or undefined. */
export function installedVersion(name: string): string | undefined {
  const manifest = join(folder, 'node_modules', name, 'package.json');
  if (!existsSync(manifest)) return undefined;
  const { version } = JSON.parse(readFileSync(manifest, 'utf8'));
  return String(version);
}

/** Where a program is that Debian may keep outside of the path of ordinary users. */
export function findProgram(name: string): string | undefined {
  // Debian's script of RabbitMQ on the path changes the user; the one behind it does not.
  const path = (process.env['PATH'] ?? '').split(delimiter);
  const folders = ['/usr/lib/rabbitmq/bin', ...path, '/usr/sbin'];
  return folders.map((one) => join(one, name)).find((file) => existsSync(file));
}

export interface Needs {
  readonly packages: readonly string[];
  readonly program?: string;
}

/** Why it cannot be measured here, or undefined. */
export function missingOf({ packages, program }: Needs): string | undefined {
  const missing = packages.filter((name) => installedVersion(name) === undefined);
  if (missing.length > 0) return `${missing.join(', ')} not installed (npm run bench:peers)`;
  if (program === undefined || findProgram(program) !== undefined) return undefined;
  return `${program} is not installed`;
}
