/**
 * The server of bench/ipfs.ts that takes pushes, in a process of its own: at `/ingest` as a
 * provider takes them, verified and kept; at `/drain` the same bytes, to disk as they are.
 */
import { join } from "node:path";
import type { Handle } from "../lib/provider/http/request.ts";
import { openKeeper } from "../worlds/content/doomed_keeper.ts";
import { OWNER } from "../worlds/content/push_world.ts";
import { openWire } from "../worlds/wire.ts";
import type { CidText } from "../lib/cid.ts";

const dir = Deno.args[0]!;
const { ingest } = await openKeeper(dir);
let drained = 0;

const handle: Handle = async ({ path, query, body }) => {
  if (path === "/drain") {
    using file = await Deno.open(join(dir, `drained.${drained++}`), {
      write: true,
      createNew: true,
    });
    for (let part = await body!.read(); part !== null; part = await body!.read()) {
      for (let at = 0; at < part.length;) at += await file.write(part.subarray(at));
    }
    await file.syncData();
    return said("drained");
  }
  const asked = new URLSearchParams(query ?? "");
  const bytes = BigInt(asked.get("bytes")!);
  const nonce = `0x${crypto.getRandomValues(new Uint8Array(32)).toHex()}` as const;
  const root = asked.get("root") as CidText;
  const push = { root, bytes, owner: OWNER, expires: 2n ** 40n, nonce, signature: "0x" as const };
  const from = "127.0.0.1";
  await ingest.take(push, { body, offset: 0, bodyBytes: Number(bytes), from });
  return said("kept");
};

function said(text: string) {
  return { status: 200, headers: [], body: new TextEncoder().encode(text) };
}

const wire = await openWire(handle);
Deno.stdout.writeSync(new TextEncoder().encode(`${wire.url}\n`));
