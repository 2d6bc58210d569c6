/** What the command line uses of its process, handed in so that tests can stand in for it. */

export interface Sink {
  write(bytes: Uint8Array): void;
  isTerminal(): boolean;
}

export interface World {
  /** Without the program's name. */
  readonly args: readonly string[];
  readonly stdin: { readonly readable: ReadableStream<Uint8Array>; isTerminal(): boolean };
  readonly stdout: Sink;
  readonly stderr: Sink;
  env(name: string): string | undefined;
  /** Asks on the terminal; `hidden` shows nothing of what is typed. */
  ask(question: string, hidden: boolean): Promise<string>;
  /** Aborts on SIGINT or SIGTERM; the default action of the signals is gone once this is called. */
  stopSignal(): AbortSignal;
  /** Calls back on each SIGHUP, which does not end the process once this is called. */
  onHangUp(callback: () => void): void;
}
