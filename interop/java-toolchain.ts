/**
 * Finds Java, has Maven resolve Apache Kafka, and compiles the Java programs of the comparison.
 *
 * Class path and classes are cached under node_modules by the content they were made from, so only
 * the first run asks Maven, and a machine without network can repeat a run. A tool that is not
 * there is an outcome, not a failure; a tool that fails is a failure.
 */

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { assertSucceeded, type ChildProcesses, readOutput } from './child-processes.js';

const JAVA_VERSION_MIN = 17;
const PROBE_MS_MAX = 30_000;
const MAVEN_MS_MAX = 300_000;
const JAVAC_MS_MAX = 120_000;

export type ToolchainOutcome =
  | { readonly outcome: 'ready'; readonly toolchain: Toolchain }
  | { readonly outcome: 'missing'; readonly reason: string };

export interface Toolchain {
  readonly kafkaVersion: string;
  /** Our own classes, Kafka, and all it needs. */
  readonly classPath: string;
}

type ClassPath =
  | { readonly outcome: 'ready'; readonly classPath: string }
  | { readonly outcome: 'missing'; readonly reason: string };

/** `sourceFolder` holds pom.xml and java/; `cacheFolder` may be absent. */
export async function prepareToolchain(
  children: ChildProcesses,
  sourceFolder: string,
  cacheFolder: string,
): Promise<ToolchainOutcome> {
  const javaProblem = await findJavaProblem(children);
  if (javaProblem !== undefined) return { outcome: 'missing', reason: javaProblem };
  await mkdir(cacheFolder, { recursive: true });
  const libraries = await resolveLibraries(children, sourceFolder, cacheFolder);
  if (libraries.outcome === 'missing') return libraries;
  const classes = await compile(children, sourceFolder, cacheFolder, libraries.classPath);
  if (classes.outcome === 'missing') return classes;
  const kafkaVersion = /kafka_2\.13-([0-9.]+)\.jar/.exec(libraries.classPath)?.[1] ?? 'unknown';
  const classPath = classes.classPath + delimiter + libraries.classPath;
  return { outcome: 'ready', toolchain: { kafkaVersion, classPath } };
}

async function findJavaProblem(children: ChildProcesses): Promise<string | undefined> {
  const exit = await children.run('java-version', PROBE_MS_MAX, 'java', '-version');
  if (exit.outcome === 'not-found') return 'java is not installed';
  assertSucceeded('java -version', exit);
  const version = Number(/version "(\d+)/.exec(readOutput(exit.stderrFile))?.[1]);
  if (version >= JAVA_VERSION_MIN) return undefined;
  return `java is version ${version}, at least ${JAVA_VERSION_MIN} is needed`;
}

async function resolveLibraries(
  children: ChildProcesses,
  sourceFolder: string,
  cacheFolder: string,
): Promise<ClassPath> {
  const pom = join(sourceFolder, 'pom.xml');
  const cacheFile = join(cacheFolder, `class-path-${await hashOfFiles([pom])}.txt`);
  if (existsSync(cacheFile)) {
    const classPath = await readFile(cacheFile, 'utf8');
    if (classPath.split(delimiter).every((file) => existsSync(file))) {
      return { outcome: 'ready', classPath };
    }
  }
  const unfinished = `${cacheFile}.${process.pid}`;
  const exit = await children.run(
    'maven',
    MAVEN_MS_MAX,
    'mvn',
    '--batch-mode',
    '--quiet',
    `--file=${pom}`,
    'dependency:build-classpath',
    `-Dmdep.outputFile=${unfinished}`,
  );
  if (exit.outcome === 'not-found') return { outcome: 'missing', reason: 'mvn is not installed' };
  assertSucceeded('mvn dependency:build-classpath', exit);
  await rename(unfinished, cacheFile);
  return { outcome: 'ready', classPath: await readFile(cacheFile, 'utf8') };
}

async function compile(
  children: ChildProcesses,
  sourceFolder: string,
  cacheFolder: string,
  libraries: string,
): Promise<ClassPath> {
  const javaFolder = join(sourceFolder, 'java', 'millrace', 'interop');
  const names = (await readdir(javaFolder)).filter((name) => name.endsWith('.java')).sort();
  const sources = names.map((name) => join(javaFolder, name));
  const hash = await hashOfFiles([join(sourceFolder, 'pom.xml'), ...sources], logSettings);
  const classFolder = join(cacheFolder, `classes-${hash}`);
  if (existsSync(classFolder)) return { outcome: 'ready', classPath: classFolder };
  const unfinished = `${classFolder}.${process.pid}`;
  await mkdir(unfinished, { recursive: true });
  await writeFile(join(unfinished, 'log4j2.properties'), logSettings);
  const args = ['-encoding', 'UTF-8', '-d', unfinished, '-cp', libraries, ...sources];
  const exit = await children.run('javac', JAVAC_MS_MAX, 'javac', ...args);
  if (exit.outcome !== 'exited' || exit.exitCode !== 0) await rm(unfinished, { recursive: true });
  if (exit.outcome === 'not-found') return { outcome: 'missing', reason: 'javac is not installed' };
  assertSucceeded('javac', exit);
  await rename(unfinished, classFolder);
  return { outcome: 'ready', classPath: classFolder };
}

async function hashOfFiles(files: readonly string[], text = ''): Promise<string> {
  const hash = createHash('sha256').update(text);
  for (const file of files) hash.update(await readFile(file)).update('\0');
  return hash.digest('hex').slice(0, 16);
}

/** Warnings go to standard output: standard error is for what the tools themselves find wrong. */
const logSettings = `status = error
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_OUT
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss.SSS} %p %c{1} %m%n%throwable
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
`;
