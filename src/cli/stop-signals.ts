/**
 * Ctrl-C and SIGTERM: the first one asks the command to close what it holds, the second one ends
 * the process at once.
 */

/** The shell's exit code for a process that a signal ended. */
const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;

export class StopSignals {
  readonly #controller = new AbortController();
  #exitCode: number | undefined;

  constructor() {
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.on(name, () => this.#stop(exitCodes[name]));
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What the process ends with once it was asked to stop. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  #stop(exitCode: number): void {
    if (this.#exitCode !== undefined) process.exit(exitCode);
    this.#exitCode = exitCode;
    this.#controller.abort();
  }
}
