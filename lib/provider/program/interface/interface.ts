/**
 * How a program is given a request and how its answer is read. A spec names one by its field
 * `interface`; what comes after (charging, streaming to the caller, logging) is the same for all.
 */
import type { ByteSource } from "../../../../sandbox/byte_source.ts";
import type { Output } from "../../../../sandbox/output.ts";
import type { Run, Sandbox } from "../../../../sandbox/sandbox.ts";
import type { HeaderField } from "../../http/header_rules.ts";

/** One request as its caller sent it. */
export interface ProgramRequest {
  readonly method: string;
  /** Scheme, host and port that the caller used. */
  readonly base: URL;
  /** The path under which the deployment lives: "/{cid}", or "" on a host of its own. */
  readonly mount: string;
  /** The rest of the path, percent-encoded as in the URL, with its leading slash. */
  readonly path: string;
  /** Without the question mark; "" when there is none. */
  readonly query: string;
  /** As a `Headers` lists them: in lower case, repeated ones joined. */
  readonly headers: readonly HeaderField[];
  readonly hasBody: boolean;
  readonly remoteAddress: string;
}

/** What is run for it, as the spec says. */
export interface ProgramCommand {
  /** Relative to the program's folder. */
  readonly entrypoint: string;
  /** Before the request's own arguments. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** What a program answers. */
export interface ProgramResponse {
  /** 200 to 599. */
  status: number;
  headers: HeaderField[];
  /** The next chunk of what follows the head; null at its end. Fails as the output does. */
  read(): Promise<Uint8Array | null>;
  /** Gives up the rest of the program's output; never throws. */
  cancel(): Promise<void>;
  /** Whether the program printed a head; false when all of its output is the body. */
  hasHead: boolean;
}

export interface ProgramInterface {
  /**
   * Starts the program on a request.
   * @throws KhachapuriError `invalid_input` when it cannot be passed to a program,
   * `sandbox_unavailable`
   */
  start(
    sandbox: Sandbox,
    command: ProgramCommand,
    request: ProgramRequest,
    body: ByteSource | null,
  ): Promise<Run>;
  /**
   * Reads the head of its answer.
   * @throws KhachapuriError `program_failed` when it is malformed, cut off or larger than
   *   RESPONSE_HEAD_BYTES_MAX; whatever `output` itself fails with
   */
  respond(output: Output): Promise<ProgramResponse>;
}

/** Arguments and environment of one run. */
export interface Invocation {
  /** What follows the entrypoint and the spec's own arguments. */
  args: string[];
  /** To be laid over the spec's environment, which can't contain any of these names. */
  env: Record<string, string>;
}

/** An interface that starts the program anew for each request, with the body on its stdin. */
export function runPerRequest(
  invocation: (request: ProgramRequest) => Invocation,
  respond: ProgramInterface["respond"],
): ProgramInterface {
  return {
    respond,
    start(sandbox, { entrypoint, args, env }, request, body) {
      const own = invocation(request);
      return sandbox.run({
        argv: [entrypoint, ...args, ...own.args],
        env: { ...env, ...own.env },
        stdin: body,
      });
    },
  };
}
