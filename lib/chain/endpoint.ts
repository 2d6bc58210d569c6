/** One JSON-RPC endpoint over HTTP: what it is asked, and how it has been of late. */
import { BaseError, HttpRequestError, RpcRequestError, TimeoutError } from "viem";
import { getHttpRpcClient, type HttpRpcClient } from "viem/utils";
import { RPC_REST_MS, RPC_REST_MS_MAX } from "../limits.ts";
import { whyRefused, whyUnreachable } from "../unreachable.ts";
import type { RpcCall, RpcError, RpcReply } from "./rpc_answer.ts";
import { type RpcOutcome, RpcUsage } from "./rpc_usage.ts";

/** How an endpoint is, for whoever runs it. */
export interface EndpointStatus {
  /** Never the whole URL, which may hold an API key. */
  origin: string;
  /** It rests after a failure; meanwhile the others are asked. */
  state: "up" | "resting";
  /** How often another endpoint said otherwise and no third agreed with this one. */
  disagreements: number;
  /** Why it last rested; null: it never has. */
  trouble: string | null;
}

/** The newest block that an endpoint tells of; null where it tells of none. */
export interface EndpointHead {
  origin: string;
  /** `time` in Unix seconds. */
  block: { number: bigint; time: number } | null;
}

/** Calls of one batch; hosted nodes take from 100 on. */
const BATCH_CALLS = 100;
/** Single requests at a time, to an endpoint that takes no batches. */
const SINGLES_AT_ONCE = 8;

export class Endpoint {
  readonly origin: string;
  readonly #url: string;
  readonly #http: HttpRpcClient;
  readonly #now: () => number;
  /** Whether it was seen to serve the chain that is meant. */
  #isKnown = false;
  #isResting = false;
  #rests = 0;
  #restMs = 0;
  #restUntil = 0;
  #disagreements = 0;
  #trouble: string | null = null;
  #probe: Promise<void> | null = null;
  /** null: it was not tried. */
  #takesBatches: boolean | null = null;

  constructor(
    url: string,
    timeoutMs: number,
    now: () => number,
    private readonly usage: RpcUsage = new RpcUsage(),
  ) {
    this.origin = new URL(url).origin;
    this.#url = url;
    this.#http = getHttpRpcClient(url, { timeout: timeoutMs });
    this.#now = now;
  }

  /** Whether it is one to ask: it serves the right chain and does not rest. */
  get isUp(): boolean {
    return this.#isKnown && !this.#isResting;
  }

  /** How often it has begun to rest. */
  get rests(): number {
    return this.#rests;
  }

  get restUntil(): number {
    return this.#restUntil;
  }

  status(): EndpointStatus {
    const { origin, isUp } = this;
    const state = isUp ? "up" : "resting";
    return { origin, state, disagreements: this.#disagreements, trouble: this.#trouble };
  }

  /** @throws BaseError of viem, that names the origin and nothing else of the URL */
  async ask(call: RpcCall): Promise<unknown> {
    const reply = await this.#post(call, call.method) as Partial<RpcReply> | null;
    return resultOf(reply, call, this.origin);
  }

  /**
   * Asks several, in batches if it takes them.
   * @throws BaseError for what says nothing of the chain; the chain's noes are in the replies
   */
  async askMany(calls: readonly RpcCall[]): Promise<RpcReply[]> {
    const replies: RpcReply[] = [];
    for (let at = 0; at < calls.length; at += BATCH_CALLS) {
      replies.push(...await this.#askSome(calls.slice(at, at + BATCH_CALLS)));
    }
    return replies;
  }

  /**
   * It has answered, for the right chain.
   * @param rests as they were when it was asked: what failed since tells more
   */
  up(rests: number): void {
    if (rests !== this.#rests) return;
    this.#isKnown = true;
    this.#isResting = false;
    // What fails again right after it came back rests longer than before.
    if (this.#now() >= this.#restUntil + this.#restMs) this.#restMs = 0;
  }

  /** It is left alone for a while, each time for longer. */
  rest(trouble: string): void {
    this.#trouble = trouble;
    // Of many requests that fail together the first has said it.
    if (this.#isResting && this.#now() < this.#restUntil) return;
    this.#isResting = true;
    this.#rests += 1;
    this.#restMs = Math.min(RPC_REST_MS_MAX, Math.max(RPC_REST_MS, this.#restMs * 2));
    this.#restUntil = this.#now() + this.#restMs;
  }

  contradicted(): void {
    this.#disagreements += 1;
  }

  /** Its chain id. @throws BaseError */
  async chainId(): Promise<number> {
    const chainId = Number(await this.ask({ method: "eth_chainId", params: [] }));
    if (Number.isSafeInteger(chainId)) return chainId;
    throw new BaseError("the answer to eth_chainId is none");
  }

  /**
   * Sees whether it serves that chain, before it is asked anything else.
   * @returns whether it does; why not is its `trouble`
   */
  async know(chainId: number): Promise<boolean> {
    if (this.#isKnown) return true;
    await this.#look(chainId);
    return this.#isKnown;
  }

  /** Once its rest is over it is looked at, while others answer the questions. */
  lookAgain(chainId: number): void {
    if (this.isUp || this.#now() < this.#restUntil) return;
    this.#probe ??= this.#look(chainId).finally(() => this.#probe = null);
  }

  async #look(chainId: number): Promise<void> {
    const rests = this.#rests;
    try {
      const served = await this.chainId();
      if (served === chainId) this.up(rests);
      else this.rest(`it is chain ${served}, not ${chainId}`);
    } catch (error) {
      this.rest(troubleOf(error));
    }
  }

  async #askSome(calls: readonly RpcCall[]): Promise<RpcReply[]> {
    if (this.#takesBatches === false || calls.length === 1) return await this.#askSingly(calls);
    try {
      const replies = await this.#askBatch(calls);
      this.#takesBatches = true;
      return replies;
    } catch (error) {
      if (this.#takesBatches || error instanceof TimeoutError || hasEnough(error)) throw error;
    }
    const replies = await this.#askSingly(calls);
    this.#takesBatches = false;
    return replies;
  }

  async #askBatch(calls: readonly RpcCall[]): Promise<RpcReply[]> {
    const body = calls.map((call, id) => ({ id, ...call }));
    const what = `a batch of ${calls.length}`;
    const answers = await this.#post(body, what) as readonly (RpcReply & { id: number })[];
    const byId = new Map(answers.map((answer) => [answer?.id, answer]));
    return calls.map((call, id) => replyOf(byId.get(id) ?? null, call, this.origin));
  }

  async #askSingly(calls: readonly RpcCall[]): Promise<RpcReply[]> {
    const replies: RpcReply[] = [];
    for (let at = 0; at < calls.length; at += SINGLES_AT_ONCE) {
      const some = calls.slice(at, at + SINGLES_AT_ONCE).map(async (call) =>
        replyOf(await this.#post(call, call.method) as RpcReply, call, this.origin)
      );
      replies.push(...await Promise.all(some));
    }
    return replies;
  }

  async #post(body: RpcCall | RpcCall[], what: string): Promise<unknown> {
    const method = Array.isArray(body) ? "batch" : body.method;
    const begunAt = performance.now();
    let outcome: RpcOutcome = "failed";
    try {
      const answer = await this.#http.request({
        body: body as { method: string; params?: unknown },
      });
      outcome = "answered";
      return answer;
    } catch (error) {
      throw this.#withoutUrl(error, what);
    } finally {
      this.usage.note(method, outcome, performance.now() - begunAt);
    }
  }

  /** The same failure with neither the URL nor the body in it. */
  #withoutUrl(thrown: unknown, what: string): BaseError {
    const body = { method: what };
    const url = this.origin;
    if (thrown instanceof TimeoutError) return new TimeoutError({ body, url });
    if (thrown instanceof RpcRequestError) {
      const { code, details, data, status, headers } = thrown;
      const error = { code, message: details, data };
      return new RpcRequestError({
        body,
        error,
        url,
        ...(status === undefined ? {} : { status }),
        ...(headers === undefined ? {} : { headers }),
      });
    }
    const { status } = thrown as Partial<HttpRequestError>;
    const details = whyNoAnswer(thrown as Error).replaceAll(this.#url, url);
    return new HttpRequestError({ body, url, details, ...(status ? { status } : {}) });
  }
}

function hasEnough(error: unknown): boolean {
  return (error as { status?: number }).status === 429;
}

/** Why viem's HTTP client got nothing that it can read as JSON-RPC. */
function whyNoAnswer(thrown: Error): string {
  const { status, cause } = thrown as Partial<HttpRequestError>;
  if (status !== undefined) return whyRefused(status);
  if (cause instanceof SyntaxError) return "its answer is no JSON-RPC (a web page?)";
  return whyUnreachable(thrown);
}

/** Why, in one line for a person. */
export function troubleOf(error: unknown): string {
  if (error instanceof TimeoutError) return whyUnreachable(error);
  const { details, shortMessage, message } = error as Partial<BaseError> & Error;
  const said = (details || shortMessage || message).split("\n")[0]!.slice(0, 200);
  const { status } = error as { status?: number };
  return error instanceof RpcRequestError && status ? `${whyRefused(status)}: ${said}` : said;
}

function resultOf(reply: Partial<RpcReply> | null, call: RpcCall, origin: string): unknown {
  const said = replyOf(reply, call, origin);
  if ("result" in said) return said.result;
  throw new RpcRequestError({ body: { method: call.method }, error: said.error, url: origin });
}

/** @throws BaseError for what is no JSON-RPC answer, or says nothing of the chain */
function replyOf(reply: Partial<RpcReply> | null, call: RpcCall, origin: string): RpcReply {
  const { result, error } = (reply ?? {}) as { result?: unknown; error?: Partial<RpcError> };
  if (typeof error?.code === "number" && typeof error.message === "string") {
    return { error: error as RpcError };
  }
  if (!error && result !== undefined) return { result };
  throw new HttpRequestError({
    body: { method: call.method },
    url: origin,
    details: `its answer to ${call.method} is no JSON-RPC`,
  });
}
