/**
 * A service of the IPFS Pinning Service API 1.0.0
 * (https://ipfs.github.io/pinning-services-api-spec), strict about what it is sent. It fetches what
 * it is to pin from a gateway; each look at a pin moves it one status on.
 */
import { parseCid } from "../../lib/cid.ts";

export interface PinningOptions {
  token: string;
  /** Base URL of a trustless gateway. */
  gateway: string;
  /** Of each pin, in order; the last one stays. */
  statuses?: readonly ("queued" | "pinning" | "pinned" | "failed")[];
}

export interface TestPinningService extends AsyncDisposable {
  url: string;
  /** Bodies of `POST /pins`. */
  asked: { cid: string; name?: string; origins?: string[] }[];
}

interface Pin {
  requestid: string;
  looks: number;
  created: string;
  pin: TestPinningService["asked"][number];
}

const FIELDS = ["cid", "name", "origins", "meta"];

export function startPinningService(options: PinningOptions): TestPinningService {
  const { statuses = ["queued", "pinning", "pinned"], gateway } = options;
  const pins = new Map<string, Pin>();
  const asked: TestPinningService["asked"] = [];

  async function told(pin: Pin): Promise<object> {
    const planned = statuses[Math.min(pin.looks++, statuses.length - 1)]!;
    const lacks = planned === "pinned" && !await has(gateway, pin.pin.cid);
    const status = lacks ? "failed" : planned;
    const info = status === "failed" ? { status_details: "no provider was found" } : {};
    const { requestid, created } = pin;
    return {
      requestid,
      status,
      created,
      pin: pin.pin,
      delegates: ["/ip4/192.0.2.1/tcp/4001"],
      info,
    };
  }

  async function answer(request: Request): Promise<Response> {
    if (request.headers.get("authorization") !== `Bearer ${options.token}`) {
      return refuse(401, "UNAUTHORIZED", "access token is missing or invalid");
    }
    const { pathname } = new URL(request.url);
    const known = pins.get(pathname.replace(/^\/pins\//, ""));
    if (request.method === "GET" && known) return Response.json(await told(known));
    if (request.method !== "POST" || pathname !== "/pins") {
      return refuse(404, "NOT_FOUND", "the specified resource was not found");
    }
    const pin = await request.json();
    const fault = faultOf(request, pin);
    if (fault !== null) return refuse(400, "BAD_REQUEST", fault);
    asked.push(pin);
    const made = {
      requestid: crypto.randomUUID(),
      looks: 0,
      created: new Date().toISOString(),
      pin,
    };
    pins.set(made.requestid, made);
    return Response.json(await told(made), { status: 202 });
  }

  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, answer);
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    asked,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function refuse(status: number, reason: string, details: string): Response {
  return Response.json({ error: { reason, details } }, { status });
}

/** What of the schema `Pin` a body breaks; null: nothing. */
function faultOf(request: Request, pin: Record<string, unknown>): string | null {
  if (!request.headers.get("content-type")?.startsWith("application/json")) return "not JSON";
  const unknown = Object.keys(pin).find((key) => !FIELDS.includes(key));
  if (unknown !== undefined) return `unknown field ${unknown}`;
  const { cid, name = "", origins = [] } = pin;
  if (typeof cid !== "string") return "no cid";
  parseCid(cid);
  if (typeof name !== "string" || name.length > 255) return "name is longer than 255 characters";
  const areAddresses = Array.isArray(origins) &&
    origins.every((origin) => typeof origin === "string" && origin.startsWith("/"));
  if (!areAddresses || origins.length > 20) return "origins are not 20 multiaddrs at most";
  return new Set(origins).size === origins.length ? null : "origins are not unique";
}

async function has(gateway: string, cid: string): Promise<boolean> {
  const response = await fetch(`${gateway}/ipfs/${cid}?format=raw`);
  await response.body?.cancel();
  return response.ok;
}
