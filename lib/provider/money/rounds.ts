/**
 * Questions that are put together: who asks while others are being answered waits, and all who
 * waited are answered by one round.
 */

/** How many rounds there are, and how large. */
export interface RoundsLimits {
  /** Rounds under way at once. */
  rounds: number;
  /** Questions of one round. */
  questions: number;
}

interface Waiting<Question, Answer> {
  question: Question;
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

export class Rounds<Question, Answer> {
  #waiting: Waiting<Question, Answer>[] = [];
  #underWay = 0;

  /** @param answer all questions of a round, in their order */
  constructor(
    private readonly limits: RoundsLimits,
    private readonly answer: (questions: readonly Question[]) => Promise<readonly Answer[]>,
  ) {}

  /** Rejects with whatever ended the round. */
  ask(question: Question): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#waiting.push({ question, resolve, reject });
    this.#begin();
    return promise;
  }

  /** Questions that no round has taken up yet. */
  waiting(): number {
    return this.#waiting.length;
  }

  #begin(): void {
    if (this.#underWay >= this.limits.rounds || this.#waiting.length === 0) return;
    const asked = this.#waiting.splice(0, this.limits.questions);
    this.#underWay += 1;
    this.#answer(asked).finally(() => {
      this.#underWay -= 1;
      this.#begin();
    });
  }

  async #answer(asked: readonly Waiting<Question, Answer>[]): Promise<void> {
    try {
      const answers = await this.answer(asked.map(({ question }) => question));
      for (const [index, { resolve }] of asked.entries()) resolve(answers[index]!);
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }
}
