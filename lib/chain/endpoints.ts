/**
 * A chain behind several JSON-RPC endpoints. One that fails rests and the next one is asked. What
 * money depends on must be said alike by two, as long as two are up; one alone is believed.
 */
import { BaseError, type Hex, RpcRequestError } from "viem";
import { KhachapuriError } from "../errors.ts";
import { RPC_AGREEMENT_PAUSES_MS } from "../limits.ts";
import { pause } from "../pause.ts";
import { within } from "../within.ts";
import { Endpoint, type EndpointHead, type EndpointStatus, troubleOf } from "./endpoint.ts";
import type { CallAnswer, ReadsTransport } from "./multicall.ts";
import {
  type BlockAnswer,
  isBlock,
  judgeError,
  judgeFailure,
  meaningOf,
  meaningOfError,
  type RpcCall,
  type RpcError,
  type RpcReply,
} from "./rpc_answer.ts";
import { RpcUsage } from "./rpc_usage.ts";
import { isMoving, pinned, ruleOf, wordsFor } from "./rpc_rule.ts";
import {
  agreement,
  alone,
  isLeftBehind,
  leastOf,
  mostOf,
  mostTelling,
  noAgreement,
  type Question,
  toldBy,
  type Vote,
} from "./vote.ts";

export interface EndpointsOptions {
  /** Longest wait for one answer. */
  timeoutMs: number;
  /** Pauses before endpoints that differ are asked again, in a test. */
  pausesMs?: readonly number[];
  now?: () => number;
}

/** Once one endpoint has told its chain, the others have so long before the start goes on. */
const GRACE_MS = 1_000;
/** What failed at the only endpoint there is is tried once more after this. */
const RETRY_MS = 150;

export class Endpoints implements ReadsTransport {
  /** What all of them were asked. */
  readonly usage = new RpcUsage();
  readonly #endpoints: readonly Endpoint[];
  readonly #pausesMs: readonly number[];
  readonly #now: () => number;
  #chainId: number | null = null;

  constructor(urls: readonly string[], options: EndpointsOptions) {
    this.#now = options.now ?? Date.now;
    this.#endpoints = urls.map((url) =>
      new Endpoint(url, options.timeoutMs, this.#now, this.usage)
    );
    this.#pausesMs = options.pausesMs ?? RPC_AGREEMENT_PAUSES_MS;
  }

  /** In the order in which they are configured. */
  status(): EndpointStatus[] {
    return this.#endpoints.map((endpoint) => endpoint.status());
  }

  /**
   * Asks every endpoint for its chain; one that is down is asked again before it is used.
   * @throws KhachapuriError `invalid_config` when two serve different chains; BaseError with what
   *   is wrong with each when none answers
   */
  async identify(): Promise<number> {
    const served = new Map<Endpoint, number>();
    const asked = this.#endpoints.map(async (endpoint) => {
      try {
        served.set(endpoint, await this.#patiently(() => endpoint.chainId()));
      } catch (error) {
        endpoint.rest(troubleOf(error));
        throw error;
      }
    });
    await Promise.any(asked).catch(({ errors }: AggregateError) => {
      throw errors.length === 1 ? errors[0] : this.#noneAnswered(errors);
    });
    await within(Promise.allSettled(asked), GRACE_MS);
    const [[first, chainId], ...others] = [...served] as [[Endpoint, number]];
    for (const [endpoint, other] of others as [Endpoint, number][]) {
      if (other === chainId) continue;
      const message = `${first.origin} is chain ${chainId}, ${endpoint.origin} is chain ${other}`;
      throw new KhachapuriError("invalid_config", message, {
        hints: ["list endpoints of one chain under rpc"],
      });
    }
    for (const endpoint of served.keys()) endpoint.up(endpoint.rests);
    return this.#chainId = chainId;
  }

  /** The newest block of each, also of those that rest, in the order of the configuration. */
  async heads(): Promise<EndpointHead[]> {
    const question = questionOf({ method: "eth_getBlockByNumber", params: ["latest", false] });
    return await Promise.all(this.#endpoints.map(async (endpoint) => {
      const told = toldBy(await this.#vote(endpoint, question));
      const block = isBlock(told)
        ? { number: BigInt(told.number), time: Number(told.timestamp) }
        : null;
      return { origin: endpoint.origin, block };
    }));
  }

  /** @throws BaseError of viem; KhachapuriError `chain_unavailable` where endpoints disagree */
  async request(call: RpcCall): Promise<unknown> {
    switch (ruleOf(call)) {
      case "agree":
        return await this.#agreedRead(call);
      case "all alike":
        return await this.#agreed(questionOf(call), null);
      case "head":
        return await this.#head(call);
      case "height":
        return this.#endpoints.length === 1
          ? await this.#first(call)
          : (await this.#latest()).number;
      case "least":
        return leastOf(await this.#ofTwo(questionOf(call)));
      case "most":
        return mostOf(await this.#ofTwo(questionOf(call)));
      case "send":
        return await this.#send(call);
      case "any":
        return await this.#first(call);
    }
  }

  async callMany(calls: readonly { to: Hex; data: Hex }[], block: Hex): Promise<CallAnswer[]> {
    const questions = calls.map((call) => ({ method: "eth_call", params: [call, block] }));
    const replies = await this.#agreed<RpcReply[]>({
      what: `${calls.length} calls at block ${Number(block)}`,
      ask: async (endpoint) => onlyAnswers(await endpoint.askMany(questions), endpoint),
      meaningOf: (replies) => replies.map((reply) => meaningOfReply(reply)).join("\n"),
    });
    return replies.map((reply) =>
      "result" in reply ? { data: reply.result as Hex } : { error: asRpcError(reply.error, "") }
    );
  }

  /* WHO IS ASKED */

  /** Those that are up; when none is, all, beginning with the one that has rested longest. */
  #inTurn(): Endpoint[] {
    const up = this.#endpoints.filter(({ isUp }) => isUp);
    if (up.length === 0) {
      return [...this.#endpoints].sort((a, b) => a.restUntil - b.restUntil);
    }
    for (const endpoint of this.#endpoints) endpoint.lookAgain(this.#chainId!);
    return up;
  }

  async #vote<T>(endpoint: Endpoint, question: Question<T>): Promise<Vote<T>> {
    const { rests } = endpoint;
    try {
      if (!await endpoint.know(this.#chainId!)) {
        throw new BaseError("The endpoint is down.", { details: endpoint.status().trouble! });
      }
      const answer = await this.#patiently(() => question.ask(endpoint));
      const meaning = question.meaningOf(answer);
      endpoint.up(rests);
      return { endpoint, kind: "said", meaning, tell: () => answer };
    } catch (error) {
      const tell = () => {
        throw error;
      };
      const failure = judgeFailure(error);
      if (failure === "out of order") endpoint.rest(troubleOf(error));
      if (failure === "behind") return { endpoint, kind: "behind", meaning: "", tell };
      if (failure !== "answer") return { endpoint, kind: "silent", meaning: "", tell };
      endpoint.up(rests);
      return { endpoint, kind: "said", meaning: meaningOfError(error as RpcRequestError), tell };
    }
  }

  /** @param errors of each, in the order of the configuration */
  #noneAnswered(errors: readonly unknown[]): BaseError {
    const said = errors.map((error, index) =>
      `${this.#endpoints[index]!.origin.replace(/^https?:\/\//, "")}: ${troubleOf(error)}`
    );
    return new BaseError("No endpoint answers.", { details: said.join("; ") });
  }

  /** A blip of the only endpoint there is is waited out; where there are more, they are asked. */
  async #patiently<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      if (this.#endpoints.length > 1 || judgeFailure(error) !== "out of order") throw error;
      await pause(RETRY_MS);
      return await ask();
    }
  }

  /**
   * Asks two at once, and another one for each that says nothing, until it is enough.
   * @returns what was said, without the silent ones
   * @throws what the last one threw, when all are silent
   */
  async #ask<T>(
    question: Question<T>,
    isEnough: (votes: readonly Vote<T>[]) => boolean,
  ): Promise<Vote<T>[]> {
    const left = this.#inTurn();
    const votes: Vote<T>[] = [];
    let silent: Vote<T> | undefined;
    while (left.length > 0 && !isEnough(votes)) {
      const asked = left.splice(0, Math.max(1, 2 - votes.length));
      for (const vote of await Promise.all(asked.map((each) => this.#vote(each, question)))) {
        if (vote.kind === "silent") silent = vote;
        else votes.push(vote);
      }
    }
    if (votes.length === 0) silent!.tell();
    return votes;
  }

  async #ofTwo<T>(question: Question<T>): Promise<T[]> {
    const votes = await this.#ask(question, ({ length }) => length >= 2);
    return votes.map(({ tell }) => tell());
  }

  /* WHAT IS BELIEVED */

  /** What two say alike; at the latest block they are where the slower one is. */
  async #agreedRead(call: RpcCall): Promise<unknown> {
    if (!isMoving(call)) return await this.#agreed(questionOf(call));
    const votes = await this.#ask(questionOf(call), (said) => agreement(said) !== null);
    const agreed = agreement(votes) ?? alone(votes);
    if (agreed) return agreed.tell();
    const { number } = await this.#latest();
    return await this.#agreed(questionOf(pinned(call, number as Hex)));
  }

  /**
   * Those that differ are asked again for a while: one may lag behind.
   * @param unless what is answered when in the end one says that there is none
   */
  async #agreed<T>(question: Question<T>, unless?: T): Promise<T> {
    for (let round = 0;; round++) {
      const votes = await this.#ask(question, (said) => agreement(said) !== null);
      const agreed = agreement(votes) ?? alone(votes);
      if (agreed) {
        for (const { endpoint, kind, meaning } of votes) {
          if (kind === "said" && meaning !== agreed.meaning) endpoint.contradicted();
        }
        return agreed.tell();
      }
      const pauseMs = this.#pausesMs[round];
      if (pauseMs === undefined) return noAgreement(question, votes, unless);
      await pause(pauseMs);
    }
  }

  /** The newest block that two have: what is read next is there for both. */
  async #head(call: RpcCall): Promise<unknown> {
    const votes = await this.#ask(questionOf(call), ({ length }) => length >= 2);
    const agreed = agreement(votes) ?? alone(votes);
    if (agreed) return agreed.tell();
    const told = votes.map(({ tell }) => tell());
    const blocks = told.filter(isBlock);
    if (blocks.length < told.length) return null;
    const [low, high] = blocks.sort((a, b) => Number(BigInt(a.number) - BigInt(b.number)));
    if (call.params![0] === "latest" && isLeftBehind(low!, high!, this.#now())) {
      const { endpoint } = votes.find(({ tell }) => tell() === low)!;
      endpoint.rest(`its newest block is ${Number(low!.number)}`);
      return high!;
    }
    const [, ...rest] = call.params!;
    return await this.#agreed(questionOf({ ...call, params: [low!.number, ...rest] }));
  }

  async #latest(): Promise<BlockAnswer> {
    const call = { method: "eth_getBlockByNumber", params: ["latest", false] };
    const block = await this.#head(call);
    if (isBlock(block)) return block;
    throw new BaseError("there is no latest block");
  }

  /** Every endpoint gets it, as bytes do no harm twice; that one takes it is enough. */
  async #send(call: RpcCall): Promise<unknown> {
    const sent = this.#inTurn().map(async (endpoint) => {
      const vote = await this.#vote(endpoint, questionOf(call));
      try {
        return vote.tell();
      } catch {
        throw vote;
      }
    });
    return await Promise.any(sent).catch(({ errors }: { errors: Vote<unknown>[] }) =>
      mostTelling(errors).tell()
    );
  }

  /** What does not decide about money: the first that knows. That there is none all must say. */
  async #first(call: RpcCall): Promise<unknown> {
    const question = questionOf(call);
    const votes: Vote<unknown>[] = [];
    for (const endpoint of this.#inTurn()) {
      const vote = await this.#vote(endpoint, question);
      const told = toldBy(vote);
      if (told !== null) return told;
      votes.push(vote);
    }
    return mostTelling(votes).tell();
  }
}

function questionOf(call: RpcCall): Question<unknown> {
  return {
    what: wordsFor(call),
    ask: (endpoint) => endpoint.ask(call),
    meaningOf: (answer) => meaningOf(call, answer),
  };
}

/** @throws RpcRequestError where one of them says nothing of the chain */
function onlyAnswers(replies: RpcReply[], { origin }: Endpoint): RpcReply[] {
  for (const reply of replies) {
    if ("error" in reply && judgeError(reply.error) !== "answer") {
      throw asRpcError(reply.error, origin);
    }
  }
  return replies;
}

function asRpcError(error: RpcError, url: string): RpcRequestError {
  return new RpcRequestError({ body: { method: "eth_call" }, error, url });
}

function meaningOfReply(reply: RpcReply): string {
  if ("error" in reply) return meaningOfError(reply.error);
  return meaningOf({ method: "eth_call" }, reply.result);
}
