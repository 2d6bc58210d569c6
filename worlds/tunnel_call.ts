/** A call that becomes a tunnel to a program that echoes, counted as other calls are. */
import { pause } from "../lib/pause.ts";
import { type CallerLane, isProgramsFailure } from "./callers.ts";
import { handshake } from "./played_tunnel.ts";

/** Between one piece that is echoed and the next, ms. */
const ECHO_MS = 20;

export interface TunnelCall {
  cid: string;
  lane: CallerLane;
  /** What a credit is good for, ms. */
  creditMs: number;
  /** How long it is used for, ms; it may be cut before. */
  usedMs: number;
}

/** One tunnel on its lane. What was echoed in it was worked for; so much must be paid at least. */
export async function tunnelOnce(url: string, call: TunnelCall): Promise<void> {
  const { cid, lane, creditMs } = call;
  const begun = performance.now();
  const most = () => 1 + Math.floor((performance.now() - begun) / creditMs);
  let echoedMs: number | null = null;
  try {
    const { hostname, port } = new URL(url);
    using connection = await Deno.connect({ hostname, port: Number(port) });
    await connection.write(new TextEncoder().encode(handshake(`/${cid}`, lane.headers)));
    const status = await readStatus(connection);
    if (status !== 101) return countRefusal(lane, status, most());
    echoedMs = 0;
    const opened = performance.now();
    while (echoedMs < call.usedMs) {
      await echoOnce(connection);
      echoedMs = performance.now() - opened;
      await pause(ECHO_MS);
    }
    lane.answered += 1;
  } catch {
    lane.lost += 1;
  }
  // The credit that it was in is paid when its end is written down, the one before may be just now.
  const least = Math.max(0, Math.floor((echoedMs ?? 0) / creditMs) - 1);
  lane.paid += least;
  lane.unsure += most() - least;
}

function countRefusal(lane: CallerLane, status: number, most: number): void {
  const why = `${status} to a tunnel`;
  lane.refused.set(why, (lane.refused.get(why) ?? 0) + 1);
  if (isProgramsFailure(status)) lane.unsure += most;
}

/** Of a head, which is read up to its end and no further. */
async function readStatus(connection: Deno.Conn): Promise<number> {
  let head = "";
  const byte = new Uint8Array(1);
  while (!head.endsWith("\r\n\r\n")) {
    if (await connection.read(byte) === null) throw new Error("no answer");
    head += String.fromCharCode(byte[0]!);
  }
  return Number(head.split(" ")[1]);
}

async function echoOnce(connection: Deno.Conn): Promise<void> {
  await connection.write(new TextEncoder().encode("."));
  if (await connection.read(new Uint8Array(1)) === null) throw new Error("it was cut");
}
