/**
 * The list of what was checked. A check returns its problems and none means it holds; one that
 * throws has failed and the run goes on, so a report always names everything that is wrong.
 */

const PROBLEMS_SHOWN_MAX = 6;
const PROBLEM_CHARACTERS_MAX = 1_500;

export class Checks {
  #count = 0;
  #failedCount = 0;

  get count(): number {
    return this.#count;
  }

  get failedCount(): number {
    return this.#failedCount;
  }

  async check(
    name: string,
    find: () => readonly string[] | Promise<readonly string[]>,
  ): Promise<void> {
    let problems: readonly string[];
    try {
      problems = await find();
    } catch (error) {
      problems = [error instanceof Error ? (error.stack ?? error.message) : String(error)];
    }
    this.#count += 1;
    if (problems.length === 0) {
      console.log(`ok    ${name}`);
      return;
    }
    this.#failedCount += 1;
    console.log(`FAIL  ${name}`);
    for (const problem of problems.slice(0, PROBLEMS_SHOWN_MAX)) {
      console.log(`      ${problem.slice(0, PROBLEM_CHARACTERS_MAX).replaceAll('\n', '\n      ')}`);
    }
    const hiddenCount = problems.length - PROBLEMS_SHOWN_MAX;
    if (hiddenCount > 0) console.log(`      and ${hiddenCount} more`);
  }

  /** The opposite: `find` looks at something damaged, so it holds only if there are problems. */
  async checkComplains(
    name: string,
    find: () => readonly string[] | Promise<readonly string[]>,
  ): Promise<void> {
    await this.check(name, async () => {
      const problems = await find();
      return problems.length > 0 ? [] : ['the damage was not noticed'];
    });
  }
}
