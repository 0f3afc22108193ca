/**
 * Verifies a log: every batch down to its records, and every other file against the batches.
 *
 * It reads only and takes no lock, so it runs beside a live writer, after a crash and on a folder
 * of another engine. What it finds is in the report; it throws only when it cannot look.
 */

import type { FileSystem } from '../base/file-system.js';
import { nodeFileSystem } from '../base/node-file-system.js';
import { type InspectionOptions, inspectLog, type LogInspection } from './verify-inspection.js';
import type { VerifyReport } from './verify-report.js';

export interface VerifyOptions extends InspectionOptions {
  readonly fileSystem?: FileSystem | undefined;
}

/**
 * Throws LOG_NOT_FOUND, NOT_A_DIRECTORY, NOT_A_LOG, PERMISSION_DENIED, FORMAT_UNSUPPORTED,
 * TOO_MANY_OPEN_FILES, IO_FAILED, and the signal's reason.
 */
export async function verifyLog(
  directory: string,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  const fileSystem = options.fileSystem ?? nodeFileSystem;
  return reportOf(directory, await inspectLog(fileSystem, directory, options));
}

export function reportOf(directory: string, inspection: LogInspection): VerifyReport {
  const { facts, segments, problems, warnings, bytes } = inspection;
  const total = (read: (segment: (typeof segments)[number]) => number): number =>
    segments.reduce((sum, segment) => sum + read(segment), 0);
  return {
    directory,
    ok: problems.count === 0,
    segments: segments.length,
    batches: total((segment) => segment.batches),
    records: total((segment) => segment.records),
    bytes,
    startOffset: facts.mark?.startOffset ?? segments[0]?.baseOffset ?? 0,
    endOffset: segments.at(-1)?.survey.nextOffset ?? 0,
    problems: problems.kept,
    warnings: warnings.kept,
    problemCount: problems.count,
    warningCount: warnings.count,
  };
}
