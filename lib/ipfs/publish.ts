/**
 * Publishing over a Kubo node's RPC. The CAR is built here, so the CID is known before any byte
 * leaves, and a node that computes another one is refused.
 */
import * as v from "valibot";
import { type CID, formatCid, parseCid } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { KUBO_ANSWER_BYTES_MAX } from "../limits.ts";
import { multipart } from "../multipart.ts";
import { parseJson, parseShape } from "../shape.ts";
import { whyUnreachable } from "../unreachable.ts";
import { upload, type UploadAnswer } from "../upload.ts";
import { carBytes, carParts } from "./car.ts";
import type { Dag } from "./dag.ts";

export interface Kubo {
  /** Base URL of the RPC, for example http://127.0.0.1:5001. */
  url: string;
  /** Bearer token, for hosted nodes that speak the same RPC. */
  token?: string | undefined;
}

export interface PublishOptions {
  kubo: Kubo;
  /** Called with the bytes of the dag's CAR that have gone out so far. */
  onSent?: ((bytes: number) => void) | undefined;
  signal?: AbortSignal | undefined;
}

const importLine = v.object({
  Root: v.optional(
    v.object({ Cid: v.object({ "/": v.string() }), PinErrorMsg: v.optional(v.string(), "") }),
  ),
});

/**
 * Imports and pins `dag` (Kubo `POST /api/v0/dag/import?pin-roots=true`).
 * @throws KhachapuriError `ipfs_unavailable` when the node cannot be reached or fails,
 * `access_denied` when it wants another token, `ipfs_mismatch` when it reports another root
 */
export async function publish(dag: Dag, options: PublishOptions): Promise<void> {
  const { kubo } = options;
  const url = new URL("api/v0/dag/import", withSlash(kubo.url));
  url.searchParams.set("pin-roots", "true");
  const { status, bytes } = await send(dag, url, options);
  const answer = new TextDecoder().decode(bytes);
  if (status === 401 || status === 403) {
    throw new KhachapuriError("access_denied", `${url.host} refused the import (HTTP ${status})`, {
      hints: ["check the token of `kubo` in config.json, and the node's API.Authorizations"],
    });
  }
  if (status !== 200) throw unavailable(kubo, `answered HTTP ${status}: ${answer.slice(0, 200)}`);
  checkAnswer(dag.root, answer, kubo);
}

async function send(
  dag: Dag,
  url: URL,
  { kubo, onSent, signal }: PublishOptions,
): Promise<UploadAnswer> {
  const { contentType, ofFile, ...body } = multipart({}, {
    field: "file",
    name: `${formatCid(dag.root)}.car`,
    contentType: "application/octet-stream",
    bytes: carBytes(dag),
    parts: carParts(dag),
  });
  try {
    return await upload({
      url,
      method: "POST",
      headers: {
        "content-type": contentType,
        ...(kubo.token === undefined ? {} : { authorization: `Bearer ${kubo.token}` }),
      },
      body: { ...body, onSent: (sent) => onSent?.(ofFile(sent)) },
      answerBytesMax: KUBO_ANSWER_BYTES_MAX,
      signal,
    });
  } catch (cause) {
    signal?.throwIfAborted();
    throw unavailable(kubo, `did not take it: ${whyUnreachable(cause)}`, cause);
  }
}

/** One JSON object a line; the one with our root must be among them, and no other root. */
function checkAnswer(root: CID, answer: string, kubo: Kubo): void {
  let pinned = false;
  for (const line of answer.split("\n").filter((line) => line.trim() !== "")) {
    const json = parseJson(line, "the Kubo node's answer", "ipfs_unavailable");
    const { Root } = parseShape(importLine, json, "the Kubo node's answer", "ipfs_unavailable");
    if (Root === undefined) continue;
    const reported = Root.Cid["/"];
    if (!isSame(reported, root)) {
      const message = `the Kubo node imported ${reported} instead of ${formatCid(root)}`;
      throw new KhachapuriError("ipfs_mismatch", message);
    }
    if (Root.PinErrorMsg !== "") throw unavailable(kubo, `could not pin: ${Root.PinErrorMsg}`);
    pinned = true;
  }
  if (!pinned) throw unavailable(kubo, "did not confirm the import");
}

function isSame(reported: string, root: CID): boolean {
  try {
    return formatCid(parseCid(reported)) === formatCid(root);
  } catch {
    return false;
  }
}

function unavailable(kubo: Kubo, what: string, cause?: unknown): KhachapuriError {
  return new KhachapuriError("ipfs_unavailable", `the Kubo node at ${kubo.url} ${what}`, {
    cause,
    hints: [
      `is it running? \`curl -X POST ${new URL("api/v0/version", withSlash(kubo.url))}\``,
      "is `kubo.url` in config.json its RPC address (port 5001 by default), not its gateway?",
    ],
  });
}

function withSlash(url: string): string {
  return url.endsWith("/") ? url : `${url}/`;
}
