/**
 * What a client saw of a server, as lines in sections, and what is different from what it saw of
 * another one. Pure: texts in, problems out.
 *
 * A section begins with a line `== name`; the last one is `end` and empty, so a script that died on
 * its way is known by its transcript.
 */

export interface Section {
  readonly name: string;
  readonly lines: readonly string[];
}

/** A difference that is meant to be there. */
export interface ListedDifference {
  readonly clients: readonly string[];
  readonly section: string;
  /** The whole line of each server. */
  readonly kafka: RegExp;
  readonly millrace: RegExp;
  readonly reason: string;
}

export interface Comparison {
  readonly problems: readonly string[];
  /** The listed differences that were met. */
  readonly met: ReadonlySet<ListedDifference>;
}

export function sectionsOf(transcript: string): Section[] {
  const sections: { name: string; lines: string[] }[] = [];
  for (const line of transcript.split('\n').filter((each) => each !== '')) {
    const [, name] = /^== (.+)$/.exec(line) ?? [];
    if (name !== undefined) sections.push({ name, lines: [] });
    else if (sections.length === 0) sections.push({ name: '(before the first)', lines: [line] });
    else sections.at(-1)?.lines.push(line);
  }
  return sections;
}

/** Whether a script went through all that its client is tried with, and found something each time. */
export function coverageProblems(
  sections: readonly Section[],
  expected: readonly string[],
): string[] {
  const names = sections.map(({ name }) => name);
  const wanted = [...expected, 'end'];
  if (names.join() !== wanted.join()) return [`sections ${names} instead of ${wanted}`];
  const empty = sections.filter(({ name, lines }) => (lines.length === 0) !== (name === 'end'));
  return empty.map(({ name, lines }) => `section ${name} has ${lines.length} lines`);
}

/** Both must have the same sections. */
export function compareTranscripts(
  client: string,
  kafka: readonly Section[],
  millrace: readonly Section[],
  listed: readonly ListedDifference[],
): Comparison {
  const problems: string[] = [];
  const met = new Set<ListedDifference>();
  for (const [at, { name, lines }] of kafka.entries()) {
    const others = millrace[at]?.lines ?? [];
    for (let row = 0; row < Math.max(lines.length, others.length); row += 1) {
      const [one, other] = [lines[row] ?? '(no line)', others[row] ?? '(no line)'];
      if (one === other) continue;
      const difference = listed.find((each) => {
        const isHere = each.clients.includes(client) && each.section === name;
        return isHere && isWhole(each.kafka, one) && isWhole(each.millrace, other);
      });
      if (difference === undefined) problems.push(`${name}\nKafka:    ${one}\nMillrace: ${other}`);
      else met.add(difference);
    }
  }
  return { problems, met };
}

function isWhole(pattern: RegExp, line: string): boolean {
  return pattern.exec(line)?.[0] === line;
}
