/** Bodies in a content coding (RFC 9110 section 8.4.1), as --compressed asks for them. */
import { Readable, type Transform } from "node:stream";
import {
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
} from "node:zlib";
import { KhachapuriError } from "../errors.ts";
import type { CurlAnswer } from "./curl_send.ts";

const CODINGS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  "x-gzip": createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

/**
 * The body without its content coding; as it is when there is none that we know.
 * @throws KhachapuriError `program_failed`, while it is read, when it is not in that coding
 */
export function decodedBody({ fields, body }: Pick<CurlAnswer, "fields" | "body">) {
  const named = fields.filter(([name]) => name.toLowerCase() === "content-encoding");
  const codings = named.flatMap(([, value]) => value.toLowerCase().split(",")).map((text) =>
    text.trim()
  );
  return codings.reverse().reduce((coded, coding) => {
    const make = Object.hasOwn(CODINGS, coding) ? CODINGS[coding] : undefined;
    return make ? ReadableStream.from(decoded(coded, make(), coding)) : coded;
  }, body);
}

async function* decoded(
  body: CurlAnswer["body"],
  decoder: Transform,
  coding: string,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let failure: unknown;
  const source = Readable.from(body);
  source.once("error", (error) => {
    failure = error;
    decoder.destroy(error);
  });
  try {
    yield* source.pipe(decoder) as unknown as AsyncIterable<Uint8Array<ArrayBuffer>>;
  } catch (cause) {
    if (failure) throw failure;
    throw new KhachapuriError("program_failed", `the answer is not the ${coding} that it says`, {
      cause,
    });
  } finally {
    source.destroy();
  }
}
