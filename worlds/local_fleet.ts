/**
 * The provider of a local world as a fleet: nodes with homes of their own, made of the provider's,
 * a PostgreSQL with its synchronous standby, and a HAProxy where the provider's name leads to. What
 * ends begins again, as a service manager has it.
 */
import { join } from "node:path";
import { pause } from "../lib/pause.ts";
import { commandUnderTest } from "./command_line.ts";
import { freePort } from "./free_port.ts";
import { changeConfig } from "./home.ts";
import { type LocalWorld, startServe } from "./local_world.ts";
import { USER } from "./postgres/cluster.ts";
import { type Pair, startPair } from "./postgres/pair.ts";
import { findPostgres } from "./postgres/server.ts";
import { proxyVersion, startProxy } from "./proxies.ts";

export interface LocalNode {
  readonly name: string;
  readonly home: string;
  readonly url: string;
  /** Of the process that serves now. */
  readonly pid: number;
}

export interface LocalFleet extends AsyncDisposable {
  readonly nodes: readonly LocalNode[];
  readonly pair: Pair;
  readonly database: string;
}

export interface LocalFleetOptions {
  /** Where the nodes' logs go. */
  log?: "inherit" | "null";
  /** Lines about what is made, and what ends. */
  tell?: (line: string) => unknown;
}

const NAMES = ["n1", "n2", "n3"] as const;
/** A node that has ended begins again after so long, ms. */
const AGAIN_MS = 2_000;

/** @throws Error where PostgreSQL or HAProxy is not installed */
export async function startLocalFleet(
  world: LocalWorld,
  { log = "null", tell = () => {} }: LocalFleetOptions = {},
): Promise<LocalFleet> {
  const bin = await findPostgres();
  if (bin === null || await proxyVersion("haproxy") === null) {
    throw new Error("a fleet needs PostgreSQL and HAProxy: deno task setup:tests installs both");
  }
  await using stack = new AsyncDisposableStack();
  const pair = stack.use(await startPair(bin, { fsync: true }));
  await pair.primary.query(`GRANT pg_monitor TO ${USER}`);
  const database = pair.uri(await pair.freshDatabase());
  tell(`postgres   primary 127.0.0.1:${pair.primary.port}, standby :${pair.standby.port}`);
  const nodes: RunningNode[] = [];
  for (const name of NAMES) nodes.push(await makeNode(world, name, database));
  await migrate(nodes[0]!.home);
  for (const node of nodes) {
    stack.use(node);
    await node.start(log, tell);
    tell(`node       ${node.name} ${node.url} (pid ${node.pid})`);
  }
  const { hostname: domain, port } = new URL(world.webDomain);
  const upstreams = nodes.map(({ url }) => new URL(url).host);
  stack.use(await startProxy("haproxy", { domain, upstreams, certificate: null, port: +port }));
  tell(`haproxy    ${world.webDomain}`);
  const owned = stack.move();
  return { nodes, pair, database, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

class RunningNode implements LocalNode, AsyncDisposable {
  #child: Deno.ChildProcess | null = null;
  #isOver = false;
  #kept: Promise<void> = Promise.resolve();

  constructor(readonly name: string, readonly home: string, readonly url: string) {}

  get pid(): number {
    return this.#child!.pid;
  }

  async start(log: "inherit" | "null", tell: (line: string) => unknown): Promise<void> {
    this.#child = await startServe(commandUnderTest(), this.home, log);
    this.#kept = this.#keep(log, tell);
  }

  async #keep(log: "inherit" | "null", tell: (line: string) => unknown): Promise<void> {
    for (;;) {
      const { code, signal } = await this.#child!.status;
      if (this.#isOver) return;
      tell(`${this.name} ended (${signal ?? code}) and begins again`);
      await pause(AGAIN_MS);
      if (this.#isOver) return;
      this.#child = await startServe(commandUnderTest(), this.home, log);
      tell(`${this.name} serves again (pid ${this.pid})`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    try {
      this.#child?.kill("SIGTERM");
    } catch {
      // It has ended.
    }
    await this.#child?.status;
    await this.#kept.catch(() => {});
  }
}

async function makeNode(
  world: LocalWorld,
  name: string,
  postgres: string,
): Promise<RunningNode> {
  const home = join(world.dir, name);
  await Deno.mkdir(home);
  for await (const { name: file, isFile } of Deno.readDir(world.home("provider"))) {
    const from = join(world.home("provider"), file);
    if (!isFile) continue;
    await Deno.copyFile(from, join(home, file));
    await Deno.chmod(join(home, file), (await Deno.stat(from)).mode! & 0o777);
  }
  const listen = `127.0.0.1:${freePort()}`;
  await changeConfig(home, ({ provider, ...config }) => ({
    ...config,
    provider: {
      ...provider as object,
      listen,
      trustedProxies: ["127.0.0.1"],
      fleet: { node: name, listen: `127.0.0.1:${freePort()}` },
      ledger: { postgres },
    },
  }));
  return new RunningNode(name, home, `http://${listen}`);
}

/** Makes the tables, as an operator does. */
async function migrate(home: string): Promise<void> {
  const [program, ...flags] = commandUnderTest();
  const { code, stderr } = await new Deno.Command(program!, {
    args: [...flags, "ledger", "migrate", "--home", home],
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  if (code !== 0) throw new Error(`ledger migrate: ${new TextDecoder().decode(stderr)}`);
}
