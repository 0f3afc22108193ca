/** How a Java program of the comparison is started: bounded memory and a quick start. */

import type { Toolchain } from './java-toolchain.js';

export const toolMemory = '-Xmx512m';
export const brokerMemory = '-Xmx768m';

/** Command and arguments; names are looked up on loopback alone, so IPv4 it is. */
export function javaCommand(
  toolchain: Toolchain,
  memory: string,
  mainClass: string,
  ...args: readonly string[]
): [string, ...string[]] {
  const options = [memory, '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];
  return javaCommandWith(toolchain, options, mainClass, ...args);
}

/** The same with all of Java's options given. */
export function javaCommandWith(
  toolchain: Toolchain,
  options: readonly string[],
  mainClass: string,
  ...args: readonly string[]
): [string, ...string[]] {
  return [
    'java',
    ...options,
    '-Dfile.encoding=UTF-8',
    '-Djava.net.preferIPv4Stack=true',
    '-cp',
    toolchain.classPath,
    mainClass,
    ...args,
  ];
}
