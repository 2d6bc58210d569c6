/** Reading and printing the way curl does, for the commands that take curl's flags. */
import type { CurlCommand, CurlInputs } from "../client/curl_flags.ts";
import { formatHead } from "../client/curl_print.ts";
import { KhachapuriError } from "../errors.ts";
import { REQUEST_BODY_BYTES_MAX } from "../limits.ts";
import type { Output } from "./output.ts";
import type { World } from "./world.ts";

/** Where `@file` and `@-` come from: the file system and this process's stdin. */
export function curlInputs(world: World): CurlInputs {
  return {
    file: async (path) => {
      const file = await Deno.open(path).catch((cause) => {
        throw new KhachapuriError("not_found", `${path} can't be read`, { cause });
      });
      return await readBounded(file.readable, path);
    },
    stdin: () => readBounded(world.stdin.readable, "stdin"),
  };
}

async function readBounded(stream: ReadableStream<Uint8Array>, from: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (bytes > REQUEST_BODY_BYTES_MAX) {
      const limit = `${from} has more than the ${REQUEST_BODY_BYTES_MAX} bytes a request may have`;
      throw new KhachapuriError("body_too_large", limit);
    }
    chunks.push(chunk);
  }
  return new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
}

/**
 * Prints an answer as the flags ask: `-i`, `-I`, `-o`, `-v`, `-f`. The body goes out as it comes.
 * @returns whether the answer was printed; false when `-f` makes its status a failure
 */
export async function printResponse(
  out: Output,
  curl: CurlCommand,
  response: Response,
): Promise<boolean> {
  const head = formatHead(response.status, response.headers);
  if (curl.isVerbose) {
    for (const line of head.trimEnd().split("\r\n")) out.note(`< ${line}`);
    out.note("<");
  }
  if (curl.isFailing && response.status >= 400) {
    await response.body?.cancel();
    return false;
  }
  await using sink = await openSink(out, curl.output);
  if (curl.show !== "body") await sink.write(new TextEncoder().encode(head));
  if (curl.show === "head") await response.body?.cancel();
  else for await (const chunk of response.body ?? []) await sink.write(chunk);
  return true;
}

async function openSink(out: Output, path: string | null) {
  if (path === null) {
    const write = (bytes: Uint8Array) => Promise.resolve(out.bytes(bytes));
    return { write, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const file = await Deno.open(path, { write: true, create: true, truncate: true });
  const writer = file.writable.getWriter();
  return {
    write: (bytes: Uint8Array) => writer.write(new Uint8Array(bytes)),
    [Symbol.asyncDispose]: () => writer.close(),
  };
}
