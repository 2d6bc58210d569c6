/**
 * A service of the IPFS Pinning Service API (https://ipfs.github.io/pinning-services-api-spec): it
 * is told a cid and fetches the content from IPFS, so it makes the second copy, never the first.
 */
import * as v from "valibot";
import { type CidText, formatCid } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { PIN_TIMEOUT_MS, PUBLISHED_ANSWER_BYTES_MAX } from "../../limits_of_content.ts";
import { PROVIDER_HTTP_TIMEOUT_MS } from "../../limits.ts";
import { parseJson, parseShape } from "../../shape.ts";
import { quotedWord } from "../../shell_word.ts";
import { whyUnreachable } from "../../unreachable.ts";
import { readBounded } from "../provider_http.ts";
import {
  assertConfidential,
  at,
  bearer,
  type BearerService,
  quoted,
  refusedBy,
} from "./bearer_service.ts";
import type { Destination } from "./destination.ts";
import type { ReadBack } from "./read_back.ts";

export interface PinWorld {
  /** Unix ms. */
  now(): number;
  wait(ms: number): Promise<void>;
}

const STATUSES = ["queued", "pinning", "pinned", "failed"] as const;

const pinStatusShape = v.object({
  requestid: v.pipe(v.string(), v.minLength(1), v.maxLength(512)),
  status: v.picklist(STATUSES),
  pin: v.object({ cid: v.string() }),
  info: v.optional(v.nullable(v.record(v.string(), v.unknown())), {}),
});

type PinStatus = v.InferOutput<typeof pinStatusShape>;

const failureShape = v.object({
  error: v.object({ reason: v.string(), details: v.optional(v.string(), "") }),
});

/** Between the first two looks at a pin; then twice as long each time, to the longest. */
const LOOK_MS = 500;
const LOOK_LONGEST_MS = 10_000;

/**
 * @param origins multiaddrs of who has the content; the service may ask them first
 * @throws KhachapuriError `invalid_config` for a URL that would show the token
 */
export function pinningService(
  service: BearerService,
  origins: () => Promise<readonly string[]>,
  readBack: ReadBack,
  world: PinWorld,
): Destination {
  assertConfidential(service, "the pinning service's URL");
  return {
    name: `pinning service at ${new URL(service.url).host}`,
    flags: `--pin ${quotedWord(service.url)}`,
    reach: "network",
    order: "second",
    async publish(dag, { signal }) {
      const cid = formatCid(dag.root);
      const body = { cid, name: `khachapuri ${cid}`, origins: (await origins()).slice(0, 20) };
      let pin = await ask(service, "pins", cid, signal, body);
      const until = world.now() + PIN_TIMEOUT_MS;
      for (let ms = LOOK_MS; pin.status !== "pinned"; ms = Math.min(ms * 2, LOOK_LONGEST_MS)) {
        if (pin.status === "failed") throw failed(service, pin);
        if (world.now() + ms > until) throw unfinished(service, pin);
        await world.wait(ms);
        pin = await ask(service, `pins/${encodeURIComponent(pin.requestid)}`, cid, signal);
      }
      await readBack(dag, signal);
    },
  };
}

const FINDING = "it has to find the content on IPFS: a Kubo node beside it says where that is";

/** Posts a pin, or looks at one. */
async function ask(
  service: BearerService,
  path: string,
  cid: CidText,
  signal: AbortSignal | undefined,
  body?: unknown,
): Promise<PinStatus> {
  const { status, bytes } = await request(service, path, signal, body);
  const text = new TextDecoder().decode(bytes);
  if (status < 200 || status > 299) throw refusedBy(service, status, reasonIn(text));
  const what = `the answer of ${new URL(service.url).host}`;
  const json = parseJson(text, what, "ipfs_unavailable");
  const pin = parseShape(pinStatusShape, json, what, "ipfs_unavailable");
  if (pin.pin.cid === cid) return pin;
  throw new KhachapuriError("ipfs_mismatch", `${what} is about another cid than ${cid}`);
}

async function request(
  service: BearerService,
  path: string,
  signal: AbortSignal | undefined,
  body: unknown,
): Promise<{ status: number; bytes: Uint8Array }> {
  const timeout = AbortSignal.timeout(PROVIDER_HTTP_TIMEOUT_MS);
  try {
    const response = await fetch(at(service, path), {
      redirect: "error",
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      headers: {
        ...bearer(service),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
    });
    const bytes = await readBounded(response, PUBLISHED_ANSWER_BYTES_MAX);
    return { status: response.status, bytes };
  } catch (cause) {
    signal?.throwIfAborted();
    const message = `${new URL(service.url).host} did not answer: ${whyUnreachable(cause)}`;
    throw new KhachapuriError("ipfs_unavailable", message, { cause });
  }
}

/** A failure's own words; without them nothing is quoted. */
function reasonIn(text: string): string {
  try {
    const { error } = v.parse(failureShape, JSON.parse(text));
    return [error.reason, error.details].filter((part) => part !== "").join(": ");
  } catch {
    return "";
  }
}

function failed(service: BearerService, { info }: PinStatus): KhachapuriError {
  const details = info?.status_details;
  const why = typeof details === "string" ? quoted(service, details) : "it does not say why";
  const message = `${new URL(service.url).host} could not pin it: ${why}`;
  return new KhachapuriError("ipfs_unavailable", message, { hints: [FINDING] });
}

function unfinished(service: BearerService, { status, requestid }: PinStatus): KhachapuriError {
  const { host } = new URL(service.url);
  const seconds = PIN_TIMEOUT_MS / 1_000;
  const message = `${host} has not pinned it within ${seconds} s: it is ${status}`;
  return new KhachapuriError("ipfs_unavailable", message, {
    hints: [
      `it may still do so: its request is ${requestid.replace(/[^\w.-]/g, "?")}`,
      FINDING,
    ],
  });
}
