/** Jobs run one by one, what each of them came to, and what is to be made of those that failed. */
import { type Count, countOf, type Job, whyFailed } from "./stages.ts";
import { isTest } from "./tidy.ts";

/** Jobs that may fail by a moment of the machine; more of them are a fault. */
const TRIED_AGAIN_MOST = 5;

/** What a job printed, and whether it says that all is well. */
export interface Ended {
  readonly output: string;
  readonly isDone: boolean;
}

/** What a job is called: its stage, and the file when it has one. */
function titleOf({ stage, args }: Job): string {
  const files = args.filter(isTest);
  if (files.length === 0) return stage;
  return `${stage}: ${files[0]}${files.length > 1 ? ` and ${files.length - 1} more` : ""}`;
}

/** A job some of whose tests failed. */
interface Failure {
  readonly job: Job;
  readonly count: Count;
  /** How it is told at the end. */
  readonly told: string;
}

/** Every job of a run of tests. */
export class Gate {
  readonly total: Count = { passed: 0, failed: 0 };
  readonly #failures: Failure[] = [];
  readonly #ends: string[] = [];

  constructor(
    private readonly run: (job: Job) => Promise<Ended>,
    private readonly show: (text: string) => void,
  ) {}

  /** Runs a job, shows what it printed and counts what passed; what failed is kept. */
  async work(job: Job): Promise<void> {
    const { count, told } = await this.#attempt(job);
    this.total.passed += count.passed;
    if (count.failed > 0) this.#failures.push({ job, count, told });
  }

  /**
   * Runs what failed once more, with nothing beside it. A fault fails again; what passes now hung
   * by a moment of the machine, counts as passed and is told apart. For a gate without tests of
   * its own the sources alone decide, and there is no second run.
   */
  async judge(): Promise<void> {
    const isTriedAgain = this.#failures.length <= TRIED_AGAIN_MOST;
    for (const { job, count, told } of this.#failures) {
      const isUnstable = isTriedAgain && job.summary !== null &&
        (await this.#attempt(job)).count.failed === 0;
      this.total[isUnstable ? "passed" : "failed"] += count.failed;
      this.#ends.push(isUnstable ? `${told}== UNSTABLE: passed when run again, alone\n` : told);
    }
  }

  /** Why each failure failed, and the sum. */
  get closing(): string {
    const { passed, failed } = this.total;
    return ["", ...this.#ends, "", `${passed} passed, ${failed} failed`].join("\n");
  }

  async #attempt(job: Job) {
    const title = titleOf(job);
    this.show(`== ${title}\n`);
    const startMs = performance.now();
    const { output, isDone } = await this.run(job);
    const count = countOf(job, output, isDone);
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    const result = `== ${title}: ${count.passed} passed, ${count.failed} failed in ${seconds} s`;
    this.show(`\n${output}${result}\n`);
    return { count, told: `${result}\n${whyFailed(output)}\n` };
  }
}
