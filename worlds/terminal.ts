/** A world in memory for tests of the command line. */
import type { World } from "../lib/cli/world.ts";

export interface FakeWorld extends World {
  stdoutText(): string;
  stderrText(): string;
  /** What was asked, in order. */
  readonly questions: string[];
}

export interface FakeWorldOptions {
  env?: Record<string, string>;
  /** Whether all three streams are a terminal. */
  isTerminal?: boolean;
  /** Answers to questions, in order. */
  answers?: string[];
  stdin?: Uint8Array;
  stop?: AbortSignal;
}

/** @param args the command line without the program's name */
export function fakeWorld(args: readonly string[], options: FakeWorldOptions = {}): FakeWorld {
  const isTerminal = () => options.isTerminal ?? false;
  const answers = [...options.answers ?? []];
  const questions: string[] = [];
  const written = { stdout: new Uint8Array(), stderr: new Uint8Array() };
  const sink = (name: "stdout" | "stderr") => ({
    write: (bytes: Uint8Array) => {
      written[name] = Uint8Array.from([...written[name], ...bytes]);
    },
    isTerminal,
  });
  return {
    args,
    stdin: { readable: new Blob([new Uint8Array(options.stdin ?? [])]).stream(), isTerminal },
    stdout: sink("stdout"),
    stderr: sink("stderr"),
    env: (name) => options.env?.[name],
    ask: (question) => {
      questions.push(question);
      const answer = answers.shift();
      if (answer === undefined) throw new Error(`unexpected question: ${question}`);
      return Promise.resolve(answer);
    },
    onHangUp: () => {},
    stopSignal: () => options.stop ?? new AbortController().signal,
    stdoutText: () => new TextDecoder().decode(written.stdout),
    stderrText: () => new TextDecoder().decode(written.stderr),
    questions,
  };
}
