/**
 * What the wire costs without a program behind it: our listener, `node:http` on which it stands,
 * and `Deno.serve`, in turns: hellos a second, 16 MB down and up, and how long each takes to accept
 * connections again once it has had no descriptor left. Figures are medians.
 */
import { pause } from "../lib/pause.ts";
import { atLeast, atMost, median, printReport, type Row } from "./report.ts";
import { measureHttp } from "./sandbox_peers.ts";
import { measureDown, measureUp, type Side, startSide, TRANSFER_BYTES } from "./transfers.ts";

const OURS = "khachapuri";
const DENO = "Deno.serve";
const NAMES = [OURS, "node:http", DENO] as const;

const ROUNDS = 7;
const SECONDS = 2;
const CONNECTIONS = 16;
/** Of each round and direction, on one connection. */
const TRANSFERS = 8;
/** Enough to start with, and for some connections. */
const DESCRIPTORS = 96;
const SETTLE_MS = 2_000;
const RECOVERY_SECONDS_MOST = 15;
/** Ours may carry so much of what Deno.serve does, which sees less of a request. */
const SHARE_LEAST = 0.3;

/** Seconds from the end of the want until a request is answered, or what comes in its place. */
async function measureRecovery(name: string): Promise<number | "never" | "ends"> {
  await using side = await startSide(name, DESCRIPTORS);
  // Deno opens some of its own only by and by, and ends where it cannot.
  await pause(SETTLE_MS);
  const held = await holdConnections(side);
  // By then it has tried to accept all of them.
  await pause(SETTLE_MS);
  for (const connection of held) connection.close();
  const startedAt = performance.now();
  const secondsSince = () => (performance.now() - startedAt) / 1000;
  while (secondsSince() < RECOVERY_SECONDS_MOST && !side.hasEnded()) {
    const answered = await fetch(side.url, { signal: AbortSignal.timeout(500) })
      .then((response) => response.text(), () => null);
    if (answered !== null) return secondsSince();
    await pause(50);
  }
  return side.hasEnded() ? "ends" : "never";
}

/** More connections than it has descriptors. */
async function holdConnections({ url }: Side): Promise<Deno.TcpConn[]> {
  const { hostname, port } = new URL(url);
  const held: Deno.TcpConn[] = [];
  try {
    while (held.length < 2 * DESCRIPTORS) {
      held.push(await Deno.connect({ hostname, port: Number(port) }));
    }
  } catch {
    // It has ended.
  }
  return held;
}

interface Figures {
  readonly hellos: number[];
  readonly down: number[];
  readonly up: number[];
}

async function measure(url: string, upload: string, figures: Figures): Promise<void> {
  figures.hellos.push((await measureHttp(url, CONNECTIONS, SECONDS)).perSecond);
  figures.down.push(await measureDown(`${url}down`, TRANSFERS));
  figures.up.push(await measureUp(`${url}up`, upload, TRANSFERS));
}

async function measureAll(): Promise<Map<string, Figures>> {
  await using stack = new AsyncDisposableStack();
  const upload = await Deno.makeTempFile();
  stack.defer(() => Deno.remove(upload));
  await Deno.writeFile(upload, new Uint8Array(TRANSFER_BYTES));
  const sides = new Map<string, Side>();
  for (const name of NAMES) sides.set(name, stack.use(await startSide(name)));
  const newFigures = (): Figures => ({ hellos: [], down: [], up: [] });
  const all = new Map(NAMES.map((name) => [name as string, newFigures()]));
  // Not counted: by its end what is compiled while it runs is compiled.
  for (const { url } of sides.values()) await measure(url, upload, newFigures());
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, { url }] of sides) await measure(url, upload, all.get(name)!);
  }
  return all;
}

const all = await measureAll();
const rows: Row[] = [];
let recovery = Infinity;
for (const [name, { hellos, down, up }] of all) {
  const seconds = await measureRecovery(name);
  if (name === OURS && typeof seconds === "number") recovery = seconds;
  rows.push({
    server: name,
    "hellos a second": Math.round(median(hellos)),
    "down, MB/s": Math.round(median(down) / 1e6),
    "up, MB/s": Math.round(median(up) / 1e6),
    "accepts again after, s": seconds,
  });
}

/** What ours carries of what Deno.serve does. */
const share = (of: keyof Figures) => median(all.get(OURS)![of]) / median(all.get(DENO)![of]);

printReport({
  rows,
  must: [
    atLeast("16 MB down, of Deno.serve's rate", share("down"), "", SHARE_LEAST),
    atLeast("16 MB up, of Deno.serve's rate", share("up"), "", SHARE_LEAST),
    atMost("accepts again after, s", recovery, "s", RECOVERY_SECONDS_MOST),
  ],
});
