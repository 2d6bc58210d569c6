/** Reading and printing the way curl does, for the commands that take curl's flags. */
import { dirname } from "node:path";
import type { CurlCommand } from "../client/curl_command.ts";
import { decodedBody } from "../client/curl_decode.ts";
import { answerLines, formatHead, requestLines } from "../client/curl_print.ts";
import type { CurlInputs } from "../client/curl_state.ts";
import { type Exchange, transfer, type Transferred } from "../client/curl_transfer.ts";
import { type CurlUrl, formatCurlUrl } from "../client/curl_url.ts";
import { writeOut } from "../client/curl_write_out.ts";
import { asKhachapuriError, KhachapuriError } from "../errors.ts";
import { type FileSink, makeFolders, named, openSink } from "../files.ts";
import { SENT_BODY_BYTES_MAX } from "../limits.ts";
import type { Output } from "./output.ts";
import type { World } from "./world.ts";

/** Where `@file` and `@-` come from: the file system and this process's stdin. */
export function curlInputs(world: World): CurlInputs {
  return {
    stdin: () => readBounded(world.stdin.readable, "stdin"),
    file: async (path) => {
      const file = await named(path, "read", Deno.open(path));
      return await named(path, "read", readBounded(file.readable, path));
    },
  };
}

async function readBounded(stream: ReadableStream<Uint8Array>, from: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (bytes > SENT_BODY_BYTES_MAX) {
      const limit =
        `${from} has more than the ${SENT_BODY_BYTES_MAX} bytes that are sent from here`;
      throw new KhachapuriError("body_too_large", limit);
    }
    chunks.push(chunk);
  }
  return new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
}

/**
 * Makes the transfer and prints what the flags ask for: `-i`, `-I`, `-o`, `-D`, `-v`, `-f`, `-w`.
 * Files are opened before anything is sent, so that none fails when the call is paid already; the
 * body goes out as it comes.
 * @returns the last answer's head
 * @throws KhachapuriError `program_failed` when -f makes its status a failure
 */
export async function transferAndPrint(
  out: Output,
  curl: CurlCommand,
  url: CurlUrl,
  exchange: Exchange,
): Promise<Transferred> {
  const { print } = curl;
  if (print.output !== null && print.isFolderMade) await makeFolders(dirname(print.output));
  await using head = await sinkOf(out, print.dumpHeader);
  await using body = await sinkOf(out, print.output ?? "-");
  const sinks = { head, body };
  try {
    const done = await transfer(curl, url, exchange, {
      onAnswer: async (request, answer) => {
        if (print.isVerbose) {
          for (const line of [...requestLines(request), ...answerLines(answer)]) out.note(line);
        }
        await head?.write(formatHead(answer));
        if (print.show !== "body") await body!.write(formatHead(answer));
      },
      onRetry: (why, waitMs) => out.note(`${why}: trying again in ${waitMs / 1_000} s`),
    });
    await printBody(out, curl, done, sinks.body!);
    return done;
  } catch (error) {
    if (print.isRemovedOnError || !isAnswered(error)) await body!.discard();
    throw error;
  }
}

/** Whether an error is about an answer, what came of which stays. */
function isAnswered(error: unknown): boolean {
  return error instanceof KhachapuriError && error.data.status !== undefined;
}

async function printBody(
  out: Output,
  curl: CurlCommand,
  done: Transferred,
  sink: FileSink,
): Promise<void> {
  const { print, transfer: { isDecoded } } = curl;
  const { answer } = done;
  const isFailure = print.failure !== null && answer.status >= 400;
  const isShown = print.show !== "head" && !(isFailure && print.failure === "without body");
  let bodyBytes = 0;
  let failure: KhachapuriError | null = isFailure
    ? new KhachapuriError("program_failed", `the answer was ${answer.status}`, {
      data: { status: answer.status },
    })
    : null;
  try {
    if (!isShown) {
      // Nothing is written for it: what the file holds stays.
      if (print.show === "body") await sink.discard();
      await answer.body.cancel();
    } else {
      for await (const chunk of isDecoded ? decodedBody(answer) : answer.body) {
        bodyBytes += chunk.length;
        await sink.write(chunk);
      }
    }
    // A program that was ended for being late has an end, too.
    done.signal?.throwIfAborted();
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) throw error;
    const known = asKhachapuriError(error);
    failure = known.toldWith({ data: { ...known.data, status: answer.status } });
  }
  if (print.writeOut !== null) {
    const texts = writeOut(print.writeOut, {
      ...done,
      url: formatCurlUrl(done.request.url),
      bodyBytes,
      endedAt: performance.now(),
      output: print.output,
      exitCode: failure?.exitCode ?? 0,
      errorMessage: failure?.shortMessage ?? null,
    });
    out.bytes(new TextEncoder().encode(texts.stdout));
    out.errorBytes(new TextEncoder().encode(texts.stderr));
  }
  if (failure) throw failure;
}

/** "-" is stdout; null where nothing is asked for. */
async function sinkOf(out: Output, path: string | null): Promise<FileSink | null> {
  if (path === null) return null;
  if (path !== "-") return await openSink(path);
  return {
    write: (bytes) => Promise.resolve(out.bytes(bytes)),
    discard: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
