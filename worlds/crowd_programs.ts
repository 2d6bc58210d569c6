/** As many deployments of one program as are needed, each with a zip of its own. */
import { join } from "node:path";
import { zipSync } from "fflate";
import type { Hex, LocalAccount } from "viem";
import { deploymentLane } from "../lib/permit.ts";
import type { Market } from "./market.ts";
import { buildStatic } from "./static_program.ts";

const SOURCE = `#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* By its query it sleeps (sleep=MS), fails (exit=CODE), answers bytes=N. A body is counted. */
static char block[65536];
static long asked(const char *name) {
  const char *query = getenv("QUERY_STRING");
  const char *at = query ? strstr(query, name) : 0;
  return at ? atol(at + strlen(name)) : 0;
}
int main(void) {
  long sleeps = asked("sleep="), bytes = asked("bytes="), came = 0;
  const char *length = getenv("CONTENT_LENGTH");
  if (sleeps) usleep((useconds_t)sleeps * 1000);
  if (asked("exit=")) return (int)asked("exit=");
  for (ssize_t n; length && *length && (n = read(0, block, sizeof block)) > 0;) came += n;
  int head = sprintf(block, "Content-Type: text/plain\\r\\n\\r\\n%s", bytes ? "" : "hello\\n");
  if (came) head = sprintf(block, "Content-Type: text/plain\\r\\n\\r\\n%ld\\n", came);
  if (write(1, block, (size_t)head) != head) return 1;
  memset(block, 'x', sizeof block);
  while (bytes > 0) {
    ssize_t n = write(1, block, bytes < (long)sizeof block ? (size_t)bytes : sizeof block);
    if (n < 0) return 1;
    bytes -= n;
  }
  return 0;
}
`;

/** Of every deployment: nothing of theirs is to be what a curve stops at. */
const LIMITS = {
  timeoutMs: 15_000,
  memoryMb: 64,
  concurrency: 64,
  ownerCreditsPerMinute: 1_000_000,
};
const EXECUTABLE = { os: 3, attrs: (0o100755 << 16) >>> 0 } as const;

/** Builds it below `dir`; returns its path. */
export async function buildProgram(dir: string): Promise<string> {
  return await buildStatic(join(dir, "crowd.cgi"), SOURCE);
}

export interface Deployed {
  readonly owner: LocalAccount;
  /** That its owner pays on. */
  readonly lane: Hex;
  readonly cid: string;
}

export interface CrowdOfPrograms {
  readonly count: number;
  /** Deployments are theirs in turn. */
  readonly owners: readonly LocalAccount[];
  /** What tells these programs from others': each has content of its own. */
  readonly tag: string;
  /** Of a file beside the program that no compression makes smaller. */
  readonly ballastBytes?: number;
}

/** Publishes so many deployments, each of a program with content of its own. */
export async function deployMany(
  market: Market,
  path: string,
  { count, owners, tag, ballastBytes = 0 }: CrowdOfPrograms,
): Promise<Deployed[]> {
  const program = await Deno.readFile(path);
  const ballast = randomBytes(ballastBytes);
  const all: Deployed[] = [];
  for (let n = 0; n < count; n++) {
    const owner = owners[n % owners.length]!;
    const name = new TextEncoder().encode(`${tag} ${n}`);
    const files = { main: [program, EXECUTABLE], name, ballast };
    const cid = await market.publish(zipSync(files as never, { level: ballastBytes > 0 ? 0 : 6 }));
    const fields = {
      program: { cid, entrypoint: "./main", args: [] },
      interface: "cgi",
      limits: LIMITS,
    };
    const spec = await market.spec({ files: {}, fields, owner });
    const lane = deploymentLane(spec.id);
    all.push({ owner, lane, cid: await market.publishSpec(spec, owner) });
    // All of each other zip's blocks would else be the same.
    for (let at = 0; at < ballast.length; at += 65_536) ballast[at] = (ballast[at]! + 1) & 255;
  }
  return all;
}

/** What no compression makes small. A system's random bytes come in pieces of at most 64 KiB. */
export function randomBytes(count: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count; at += 65_536) {
    crypto.getRandomValues(bytes.subarray(at, Math.min(count, at + 65_536)));
  }
  return bytes;
}
