/**
 * Finds what a Markdown page asks its readers to run: fenced blocks by language, commands of the
 * shell, and links to files.
 */

export interface FencedBlock {
  readonly language: string;
  readonly text: string;
  /** Of the first line within the fence, from 1. */
  readonly line: number;
}

/** One command: its words. */
export type Command = readonly string[];

export function fencedBlocks(markdown: string): FencedBlock[] {
  return [...markdown.matchAll(/^```(\w+)[^\n]*\n([\s\S]*?)^```$/gm)].map((match) => ({
    language: match[1] ?? '',
    text: match[2] ?? '',
    line: markdown.slice(0, match.index).split('\n').length + 1,
  }));
}

/**
 * The commands of a block: lines, cut at `&&`, without comments. Throws at anything that only a
 * shell could take apart: quotes, pipes, variables.
 */
export function commandsOf(block: FencedBlock): Command[] {
  return block.text
    .split('\n')
    .map((line) => line.replace(/(?:^|\s)#.*$/, '').trim())
    .filter((line) => line !== '')
    .flatMap((line) => line.split(/\s+&&\s+/))
    .map((command) => {
      if (/['"`|<>$;&*\\]/.test(command)) throw new Error(`not a plain command: ${command}`);
      return command.split(/\s+/);
    });
}

/** Targets of links that are files of the repository. */
export function linkedFiles(markdown: string): string[] {
  return [...markdown.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => (match[1] ?? '').replace(/#.*$/, ''))
    .filter((target) => target !== '' && !/^[a-z]+:/.test(target));
}
