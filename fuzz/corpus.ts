/**
 * Inputs that are worth keeping, one target to a file, one input to a line of hexadecimal digits.
 *
 * `fuzz/corpus/<target>.txt` belongs to the project: together its inputs reach what guided runs
 * have reached, and every run of the tests tries each once. What a guided run finds goes to a
 * folder of its own, where the next run goes on.
 */

import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const INPUT_BYTES_MAX = 4096;

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Where the project keeps inputs. */
export const CORPUS_FOLDER = join(root, 'fuzz', 'corpus');

/** The project's inputs of a target. */
export function keptCorpus(target: string, folder = CORPUS_FOLDER): string {
  return join(folder, `${target}.txt`);
}

/** Where guided runs keep theirs when they are not told. */
export const FOUND_FOLDER = join(root, '.fuzz');

/** The inputs of a file; none when it is absent. Lines that are no input are an error. */
export function readCorpus(path: string): Uint8Array[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line, index) => inputOf(line, `${path}, line ${index + 1}`));
}

export function addToCorpus(path: string, input: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  appendFileSync(path, `${textOf(input)}\n`);
}

export function writeCorpus(path: string, inputs: readonly Uint8Array[]): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, inputs.map((input) => `${textOf(input)}\n`).join(''));
}

export function textOf(input: Uint8Array): string {
  return Buffer.from(input).toString('hex');
}

/** Throws RangeError for what is not hexadecimal digits in pairs, or is too long. */
export function inputOf(text: string, where: string): Uint8Array {
  if (!/^(?:[0-9a-f]{2})*$/.test(text) || text.length > 2 * INPUT_BYTES_MAX) {
    throw new RangeError(`${where} is not up to ${INPUT_BYTES_MAX} bytes in hexadecimal digits`);
  }
  return Uint8Array.from(Buffer.from(text, 'hex'));
}
