/** One request at an instance: sent, sent again where that harms nobody, timed and accounted. */
import { limitError } from "../../../sandbox/run.ts";
import type { RunLimit, RunLimits, RunRecord } from "../../../sandbox/sandbox.ts";
import type { Transient } from "../../transient_set.ts";
import { asKhachapuriError, type KhachapuriError } from "../../errors.ts";
import { isUnanswered, isUnwritten, type ServerConnection } from "./connection.ts";
import type { ServerRequest, ServerResponse } from "./exchange.ts";
import type { ServerRun } from "./life.ts";
import { MeteredBody } from "./metered_body.ts";
import { MeteredResponse } from "./metered_response.ts";
import { requestRecord } from "./request_record.ts";

/** The instance, as far as a request at it goes. */
export interface RequestHost {
  readonly limits: RunLimits;
  now(): number;
  /** One that was used before; null where none is free. */
  usedConnection(): ServerConnection | null;
  /** @throws KhachapuriError when it takes none */
  newConnection(): Promise<ServerConnection>;
  /** Nothing is under way on it. */
  giveBack(connection: ServerConnection): void;
  /** Why it is dead, also if that is known only in a moment; null: it lives. */
  death(): Promise<Death | null>;
  /** A request has become a tunnel. */
  tunnelled(request: SentRequest): void;
  /** A request is over. */
  over(request: SentRequest, isAnswered: boolean): void;
}

export interface Death {
  readonly why: KhachapuriError;
  /** null: our side failed. */
  readonly record: RunRecord | null;
}

/** How a request ended. */
type Ending = Pick<RunRecord, "exit" | "signal" | "limit">;

const ANSWERED: Ending = { exit: 0, signal: null, limit: null };
const FAILED: Ending = { exit: null, signal: null, limit: null };

/** Methods that may be sent again when nobody knows what became of them (RFC 9110 9.2.2). */
const REPEATABLE = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

export class SentRequest implements ServerRun, Transient {
  readonly record: Promise<RunRecord>;
  response!: Promise<ServerResponse>;
  /** When its time is over, on its host's clock. */
  dueAt: number;
  readonly isUpgrade: boolean;
  place = -1;
  readonly #begunAt: number;
  readonly #request: ServerRequest;
  readonly #body: MeteredBody | null;
  #response: MeteredResponse | null = null;
  #connection: ServerConnection | null = null;
  #isOver = false;
  /** Why it was ended from here, which what fails by it is told. */
  #cutBy: KhachapuriError | null = null;
  #tell!: (record: RunRecord) => void;
  #failRecord!: (error: KhachapuriError) => void;

  constructor(private readonly host: RequestHost, request: ServerRequest) {
    this.#begunAt = host.now();
    this.dueAt = this.#begunAt + host.limits.timeoutMs;
    this.isUpgrade = request.upgrade !== null;
    this.#body = request.body && new MeteredBody(request.body);
    this.#request = request;
    this.record = new Promise((resolve, reject) => {
      this.#tell = resolve;
      this.#failRecord = reject;
    });
    // Failures that nobody waits for must not end the provider.
    this.record.catch(() => {});
  }

  /**
   * Sends it, once; or refuses it.
   * @param isWoken its instance stood still until now
   */
  begin(refusal: KhachapuriError | null, isWoken: boolean): void {
    this.response = this.#answer(refusal, isWoken);
    this.response.catch(() => {});
  }

  begun(): number {
    return this.#begunAt;
  }

  kill(): void {
    this.end("aborted");
  }

  extend(ms: number): void {
    if (!this.#isOver) this.dueAt += ms;
  }

  /**
   * Whether the instance does nothing for it, and may be unable to: it has not begun to answer
   * what it was given whole. A caller that is slow, or a stream without an end, says nothing of it.
   */
  isStuck(): boolean {
    return !this.#isOver && this.#response === null && !(this.#body?.isAwaited ?? false);
  }

  /** Ends it by a limit. */
  end(limit: RunLimit): void {
    const allowedMs = this.dueAt - this.#begunAt;
    const why = limitError(limit, { ...this.host.limits, timeoutMs: allowedMs });
    this.#cut(why, { ...FAILED, limit });
  }

  /** Ends it, as its instance is dead. */
  die({ why, record }: Death): void {
    this.#cut(why, record);
  }

  async #answer(refusal: KhachapuriError | null, isWoken: boolean): Promise<ServerResponse> {
    try {
      if (refusal) throw refusal;
      const response = await this.#exchange(isWoken);
      if (this.#cutBy) throw this.#cutBy;
      return this.#handOut(response);
    } catch (thrown) {
      throw await this.#failure(thrown);
    }
  }

  /**
   * Sends it, and once more where the first connection ended before the server could see it: one
   * that was used before may end just when it is used again, and a server that was woken may end
   * those of its workers that it has not heard of for long, with what they had just taken.
   */
  async #exchange(isWoken: boolean): Promise<ServerResponse> {
    const used = this.host.usedConnection();
    const first = used ?? await this.#connect();
    if (!used && !isWoken) return await this.#sendOn(first);
    try {
      return await this.#sendOn(first);
    } catch (thrown) {
      if (this.#isOver || !this.#maySendAgain(thrown)) throw thrown;
      if (!used && await this.host.death()) throw thrown;
    }
    return await this.#sendOn(await this.#connect());
  }

  async #connect(): Promise<ServerConnection> {
    const made = await this.host.newConnection();
    if (!this.#cutBy) return made;
    this.host.giveBack(made);
    throw this.#cutBy;
  }

  #sendOn(connection: ServerConnection): Promise<ServerResponse> {
    this.#connection = connection;
    connection.whenFree((isReusable) => {
      // From then on it may carry another's request, while the end of this answer is still read.
      this.#connection = null;
      if (isReusable) this.host.giveBack(connection);
    });
    const body = this.#body?.attempt();
    return connection.send(body ? { ...this.#request, body } : this.#request);
  }

  #maySendAgain(thrown: unknown): boolean {
    if (isUnwritten(thrown)) return true;
    return !this.#body && isUnanswered(thrown) && REPEATABLE.has(this.#request.method);
  }

  #handOut(response: ServerResponse): ServerResponse {
    if (response.tunnel) this.host.tunnelled(this);
    return this.#response = new MeteredResponse(response, this.#request.method, {
      bytesMax: this.host.limits.stdoutBytes,
      complete: () => this.#end(ANSWERED),
      closed: () => void this.#endClosed(),
      giveUp: () => this.end("aborted"),
      tooLarge: () => {
        this.end("stdout");
        return this.#cutBy!;
      },
      failure: (thrown) => this.#failure(thrown),
    });
  }

  /** A server that dies closes its tunnels as one that has said all: it is known a moment later. */
  async #endClosed(): Promise<void> {
    this.dueAt = Infinity;
    const death = await this.host.death();
    if (death) this.die(death);
    else this.#end(ANSWERED);
  }

  /** What is told instead of `thrown`, once it is known what became of the instance. */
  async #failure(thrown: unknown): Promise<KhachapuriError> {
    if (this.#cutBy) return this.#cutBy;
    const error = asKhachapuriError(thrown);
    if (this.#body?.failure === thrown) {
      this.#cut(error, { ...FAILED, limit: "aborted" });
      return error;
    }
    // A server that dies closes its connections first.
    const death = error.code === "program_failed" ? await this.host.death() : null;
    if (death) this.die(death);
    else this.#cut(error, FAILED);
    return this.#cutBy ?? error;
  }

  #cut(why: KhachapuriError, ending: Ending | null): void {
    if (this.#isOver) return;
    this.#cutBy = why;
    this.#end(ending);
    this.#connection?.close();
  }

  /** @param ending null: our side failed, and nobody pays for it */
  #end(ending: Ending | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#body?.cancel();
    if (ending) this.#tell(this.#recordOf(ending));
    else this.#failRecord(this.#cutBy!);
    this.host.over(this, ending === ANSWERED);
  }

  #recordOf({ exit, signal, limit }: Ending): RunRecord {
    return requestRecord({
      exit,
      signal,
      limit,
      wallMs: this.host.now() - this.#begunAt,
      stdinBytes: (this.#body?.bytes ?? 0) + (this.#response?.sentBytes ?? 0),
      stdoutBytes: this.#response?.bytes ?? 0,
    });
  }
}
