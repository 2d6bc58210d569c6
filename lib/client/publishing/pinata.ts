/**
 * Pinata's upload API, version 3 (https://docs.pinata.cloud/files/uploading-files): the CAR as it
 * is, so that the service must come to our cid.
 */
import * as v from "valibot";
import { formatCid, parseCid } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { carBytes, carParts } from "../../ipfs/car.ts";
import type { Dag } from "../../ipfs/dag.ts";
import { PUBLISHED_ANSWER_BYTES_MAX } from "../../limits_of_content.ts";
import { multipart } from "../../multipart.ts";
import { parseJson, parseShape } from "../../shape.ts";
import { whyUnreachable } from "../../unreachable.ts";
import { upload, type UploadAnswer } from "../../upload.ts";
import { assertConfidential, at, bearer, type BearerService, refusedBy } from "./bearer_service.ts";
import type { Destination, PublishingOptions } from "./destination.ts";
import type { ReadBack } from "./read_back.ts";

export const PINATA_URL = "https://uploads.pinata.cloud";

/** What the service takes in one request; larger files go another way, which no program needs. */
const REQUEST_BYTES = 94_371_840;

const answerShape = v.object({ data: v.object({ cid: v.string() }) });

/** @throws KhachapuriError `invalid_config` for a URL that would show the token */
export function pinata(service: BearerService, readBack: ReadBack): Destination {
  assertConfidential(service, "Pinata's URL");
  return {
    name: "pinata",
    flags: "--pinata",
    reach: "network",
    order: "first",
    async publish(dag, options) {
      const answer = await send(service, dag, options);
      assertTaken(service, dag, answer);
      await readBack(dag, options.signal);
    },
  };
}

async function send(
  service: BearerService,
  dag: Dag,
  { onSent, signal }: PublishingOptions,
): Promise<UploadAnswer> {
  // It keeps a file private, and reads no CAR, unless told otherwise.
  const fields = { network: "public", car: "true", name: `${formatCid(dag.root)}.car` };
  const { contentType, ofFile, ...body } = multipart(fields, {
    field: "file",
    name: `${formatCid(dag.root)}.car`,
    contentType: "application/vnd.ipld.car",
    bytes: carBytes(dag),
    parts: carParts(dag),
  });
  if (body.bytes > REQUEST_BYTES) {
    const message = `${body.bytes} bytes are more than the ${REQUEST_BYTES} that Pinata takes`;
    throw new KhachapuriError("body_too_large", message);
  }
  try {
    return await upload({
      url: at(service, "v3/files"),
      method: "POST",
      headers: { ...bearer(service), "content-type": contentType },
      body: { ...body, onSent: (sent) => onSent(ofFile(sent)) },
      answerBytesMax: PUBLISHED_ANSWER_BYTES_MAX,
      signal,
    });
  } catch (cause) {
    signal?.throwIfAborted();
    const message = `${new URL(service.url).host} did not take it: ${whyUnreachable(cause)}`;
    throw new KhachapuriError("ipfs_unavailable", message, { cause });
  }
}

function assertTaken(service: BearerService, dag: Dag, { status, bytes }: UploadAnswer): void {
  const text = new TextDecoder().decode(bytes);
  if (status !== 200 && status !== 201) throw refusedBy(service, status, text);
  const json = parseJson(text, "Pinata's answer", "ipfs_unavailable");
  const { data: { cid } } = parseShape(answerShape, json, "Pinata's answer", "ipfs_unavailable");
  if (canonical(cid) === formatCid(dag.root)) return;
  const message = `Pinata made ${cid.slice(0, 100)} of it instead of ${formatCid(dag.root)}`;
  throw new KhachapuriError("ipfs_mismatch", message);
}

function canonical(cid: string): string | null {
  try {
    return formatCid(parseCid(cid));
  } catch {
    return null;
  }
}
