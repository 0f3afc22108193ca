/**
 * What Stryker found, as counts and lines: reads its report, of which only what is used is known.
 */

export interface MutationScore {
  /** Those that could be noticed: not ignored, and they did not break the file as a whole. */
  mutants: number;
  /** By a test that failed or did not end. */
  noticed: number;
  /** Those of them that were given up: on a busy machine some may be slow and no more. */
  endless: number;
}

export interface PartReport {
  readonly files: readonly { readonly path: string; readonly score: MutationScore }[];
  /** One line each: where, what was there, and what it was replaced with. */
  readonly survivors: readonly string[];
}

interface Place {
  readonly line: number;
  readonly column: number;
}

interface ReportedMutant {
  readonly status: string;
  readonly mutatorName: string;
  readonly replacement: string;
  readonly location: { readonly start: Place; readonly end: Place };
}

interface ReportedFile {
  readonly source: string;
  readonly mutants: readonly ReportedMutant[];
}

interface Report {
  readonly files: Readonly<Record<string, ReportedFile>>;
}

const ENDLESS = 'Timeout';
const NOTICED = ['Killed', ENDLESS];
const UNNOTICED = ['Survived', 'NoCoverage'];
const SHOWN_COLUMNS_MAX = 160;

export function emptyScore(): MutationScore {
  return { mutants: 0, noticed: 0, endless: 0 };
}

export function addScore(total: MutationScore, more: MutationScore): void {
  total.mutants += more.mutants;
  total.noticed += more.noticed;
  total.endless += more.endless;
}

/** With one digit behind the point; nothing to notice is all noticed. */
export function percent({ mutants, noticed }: MutationScore): string {
  return (mutants === 0 ? 100 : (100 * noticed) / mutants).toFixed(1);
}

export function readReport(json: string): PartReport {
  const report: Report = JSON.parse(json);
  const files = Object.entries(report.files).map(([path, { mutants }]) => {
    const score = emptyScore();
    for (const { status } of mutants) {
      if (!NOTICED.includes(status) && !UNNOTICED.includes(status)) continue;
      score.mutants += 1;
      if (NOTICED.includes(status)) score.noticed += 1;
      if (status === ENDLESS) score.endless += 1;
    }
    return { path, score };
  });
  const survivors = Object.entries(report.files).flatMap(([path, file]) =>
    file.mutants
      .filter(({ status }) => UNNOTICED.includes(status))
      .map((mutant) => survivorLine(path, file.source, mutant)),
  );
  return { files, survivors };
}

function survivorLine(path: string, source: string, mutant: ReportedMutant): string {
  const { start, end } = mutant.location;
  const lines = source.split('\n').slice(start.line - 1, end.line);
  const last = lines.length - 1;
  const cut = lines.map((line, index) => {
    const from = index === 0 ? start.column - 1 : 0;
    return line.slice(from, index === last ? end.column - 1 : undefined).trim();
  });
  const context = (source.split('\n')[start.line - 1] ?? '').trim();
  const [before, after] = [cut.join(' '), mutant.replacement.replace(/\s+/g, ' ')].map(shortened);
  const why = mutant.status === 'NoCoverage' ? ', reached by no test' : '';
  return `${path}:${start.line}  ${before} -> ${after}${why}   in: ${shortened(context)}`;
}

function shortened(text: string): string {
  return text.length <= SHOWN_COLUMNS_MAX ? text : `${text.slice(0, SHOWN_COLUMNS_MAX)}...`;
}
