/** Servers in sandboxes, for tests of instances: server.c, or any script. */
import assert from "node:assert/strict";
import type { EgressEvent, EgressPolicy } from "../../sandbox/egress.ts";
import { type Instance, openInstance } from "../../sandbox/instance.ts";
import type { Machine } from "../../sandbox/machine.ts";
import type { Listen } from "../../sandbox/policy.ts";
import { pause } from "../../lib/pause.ts";
import { type Work, workOf } from "../processes.ts";
import { compileC } from "./c_programs.ts";
import type { Launcher } from "./launchers.ts";

const SOURCE = new URL("server.c", import.meta.url).pathname;

export const PORT: Listen = { kind: "port", port: 8080 };
export const FD: Listen = { kind: "fd" };

/** Within which what was asked of a server has come to pass, on the slowest of machines. */
const SEEN_MS = 10_000;

/** Compiled once for all tests of a file. */
const built = buildServer();

/** @throws KhachapuriError `internal` with what the compiler said */
export async function buildServer(machine?: Machine): Promise<Uint8Array<ArrayBuffer>> {
  return await compileC([SOURCE], machine);
}

export interface ServerOptions {
  listen?: Listen;
  args?: readonly string[];
  env?: Readonly<Record<string, string>>;
  /** In place of server.c: an executable text. */
  script?: string;
  memoryMb?: number;
  egress?: EgressPolicy;
  onEgress?: (event: EgressEvent) => void;
  onOutput?: (bytes: Uint8Array) => void | Promise<void>;
}

/** One instance; what it printed is kept. */
export class TestServer implements AsyncDisposable {
  readonly instance: Instance;
  readonly #dir: string;
  readonly #tag: string;
  readonly #printed: string[];

  /** @param tag in the argument list of all of its processes */
  private constructor(instance: Instance, dir: string, tag: string, printed: string[]) {
    this.instance = instance;
    this.#dir = dir;
    this.#tag = tag;
    this.#printed = printed;
  }

  static async open(launcher: Launcher, options: ServerOptions = {}): Promise<TestServer> {
    const dir = await Deno.makeTempDir();
    await Deno.chmod(dir, 0o755);
    await Deno.mkdir(`${dir}/socket`, { mode: 0o700 });
    await Deno.mkdir(`${dir}/program`, { mode: 0o755 });
    const program = options.script === undefined
      ? await built
      : new TextEncoder().encode(options.script);
    await Deno.writeFile(`${dir}/program/main`, program, { mode: 0o755 });
    const printed: string[] = [];
    const { onOutput = (bytes) => void printed.push(new TextDecoder().decode(bytes)) } = options;
    const policy = {
      programDir: `${dir}/program`,
      limits: {
        timeoutMs: 1_000,
        memoryMb: options.memoryMb ?? 64,
        stdoutBytes: 1_000,
        stderrBytes: 1_000,
      },
      egress: options.egress ?? null,
    };
    const tag = `tested-${crypto.randomUUID()}`;
    const request = {
      argv: ["main", ...options.args ?? [], tag],
      env: options.env ?? {},
      listen: options.listen ?? PORT,
      socketDir: `${dir}/socket`,
      onOutput,
    };
    const host = { ...launcher, runUid: Deno.uid() === 0 ? 1_800_000_000 : null };
    const instance = await openInstance(host, policy, request, options.onEgress);
    return new TestServer(instance, dir, tag, printed);
  }

  get printed(): string {
    return this.#printed.join("");
  }

  connect(): Promise<Deno.UnixConn> {
    return Deno.connect({ transport: "unix", path: this.instance.socketPath });
  }

  /** A connection that asks server.c for something. */
  async begin(line: string): Promise<Deno.UnixConn> {
    const connection = await this.connect();
    await connection.write(new TextEncoder().encode(`${line}\n`));
    return connection;
  }

  /** What it answers, to the end. */
  async ask(line: string): Promise<string> {
    return await new Response((await this.begin(line)).readable).text();
  }

  /** Resolves once it lets connections in. */
  async ready(): Promise<void> {
    using _connection = await this.connect();
    await this.instance.listening();
  }

  /** Freezes it; resolves once the host sees it stand still: it is told to, and does so later. */
  async freeze(): Promise<void> {
    this.instance.freeze();
    await this.#see("standing still", ({ areStopped }) => areStopped);
  }

  /** Resolves once no process of it has more threads: one that has answered ends a little later. */
  async threadsAtMost(count: number): Promise<void> {
    await this.#see(`${count} threads`, ({ threadsMost }) => threadsMost <= count);
  }

  async #see(what: string, isSo: (work: Work) => boolean): Promise<void> {
    for (const end = performance.now() + SEEN_MS; !isSo(await workOf(this.#tag));) {
      assert(performance.now() < end, `${what} was not seen within ${SEEN_MS} ms`);
      await pause(1);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.instance.close();
    const left = [...Deno.readDirSync(`${this.#dir}/socket`)];
    await Deno.remove(this.#dir, { recursive: true });
    assert.deepEqual(left, []);
  }
}
