/** One PostgreSQL server of Debian's, on loopback: started, crashed, and asked as a superuser. */
import assert from "node:assert/strict";
import { basename, join } from "node:path";
import postgres from "postgres";
import { pause } from "../../lib/pause.ts";
import { freePort } from "../free_port.ts";
import { makeFolder } from "../home.ts";
import { survivors } from "../processes.ts";

const VERSIONS = "/usr/lib/postgresql";
/** It refuses to run as root. */
const NOBODY = Deno.uid() === 0 ? { uid: 65_534, gid: 65_534 } : {};
/** May do everything, and is trusted on loopback. */
export const SUPERUSER = "postgres";
/** What a provider's connections call themselves. */
const OUR_NAME = "khachapuri";
const READY = /ready to accept (?:read-only )?connections/;
/** That it does not take connections yet. */
const RECOVERS = "57P03";
const LOOK_AGAIN_MS = 10;

/** Where its programs are; null: this machine has none. */
export async function findPostgres(): Promise<string | null> {
  const versions = await Array.fromAsync(Deno.readDir(VERSIONS)).catch(() => []);
  for (const { name } of versions.sort((a, b) => Number(b.name) - Number(a.name))) {
    const bin = join(VERSIONS, name, "bin");
    // A client's package makes such a folder, too.
    if (await Deno.stat(join(bin, "postgres")).then(() => true, () => false)) return bin;
  }
  return null;
}

export interface Session extends AsyncDisposable {
  query<Row>(text: string): Promise<Row[]>;
}

export type ServerSettings = Readonly<Record<string, string | number>>;

export class PostgresServer implements AsyncDisposable {
  #process: Deno.ChildProcess | null = null;
  #said = "";

  private constructor(
    private readonly bin: string,
    /** Its own, with its data in `data`. */
    readonly dir: string,
    readonly port: number,
    private readonly settings: ServerSettings,
  ) {}

  /** A place for one; there is no data yet. */
  static async open(bin: string, settings: ServerSettings): Promise<PostgresServer> {
    const { dir } = await makeFolder();
    if (NOBODY.uid) await Deno.chown(dir, NOBODY.uid, NOBODY.gid);
    return new PostgresServer(bin, dir, freePort(), settings);
  }

  /** A place for another that is set like this one. */
  twin(): Promise<PostgresServer> {
    return PostgresServer.open(this.bin, this.settings);
  }

  get data(): string {
    return join(this.dir, "data");
  }

  /** A file that only the server may read. */
  async put(name: string, text: string): Promise<string> {
    const path = join(this.dir, name);
    await Deno.writeTextFile(path, text, { mode: 0o600 });
    if (NOBODY.uid) await Deno.chown(path, NOBODY.uid, NOBODY.gid);
    return path;
  }

  /** Has a program of PostgreSQL's do its work in the folder. */
  async run(program: string, ...args: string[]): Promise<void> {
    const { success, stderr } = await new Deno.Command(join(this.bin, program), {
      args,
      cwd: this.dir,
      stdin: "null",
      ...NOBODY,
    }).output();
    assert.ok(success, `${program}: ${new TextDecoder().decode(stderr)}`);
  }

  /** Of the process that all others of it are children of, while it runs. */
  get pid(): number {
    return this.#process!.pid;
  }

  /** On whatever data there is; resolves when it takes connections. */
  async start(): Promise<void> {
    const settings = {
      ...{ listen_addresses: "127.0.0.1", port: this.port, unix_socket_directories: "" },
      // Processes carry it in their titles.
      ...{ cluster_name: basename(this.dir), shared_buffers: "32MB" },
      ...this.settings,
    };
    const set = Object.entries(settings).flatMap(([key, value]) => ["-c", `${key}=${value}`]);
    const process = new Deno.Command(join(this.bin, "postgres"), {
      args: ["-D", this.data, ...set],
      cwd: this.dir,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      ...NOBODY,
    }).spawn();
    this.#process = process;
    await new Promise<void>((resolve, reject) => {
      this.#hear(process, resolve).then(() => reject(new Error(`PostgreSQL: ${this.#said}`)));
    });
  }

  /** Who is not heard to the end stands still, once the pipe is full. */
  async #hear({ stderr }: Deno.ChildProcess, onReady: () => void): Promise<void> {
    this.#said = "";
    for await (const part of stderr.pipeThrough(new TextDecoderStream())) {
      this.#said = (this.#said + part).slice(-10_000);
      if (READY.test(this.#said)) onReady();
    }
  }

  /**
   * Ends it at once, whoever is connected; what it committed is in its files. `SIGKILL` ends the
   * first process, and the others follow it as they notice.
   */
  async crash(signal: "SIGKILL" | "SIGQUIT" = "SIGKILL"): Promise<void> {
    const process = this.#process;
    if (process === null) return;
    this.#process = null;
    process.kill(signal);
    await process.status;
    assert.equal(await survivors(basename(this.dir)), "");
  }

  /** Stands still, or goes on; who is connected is told nothing. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#process!.kill(signal);
  }

  /** A connection of the superuser's, which keeps what it locks. */
  open(database = "postgres"): Session {
    const sql = postgres({
      ...{ host: "127.0.0.1", port: this.port, user: SUPERUSER, database },
      ...{ max: 1, fetch_types: false, onnotice: () => {} },
    });
    return {
      query: async (text) => await sql.unsafe(text) as never,
      [Symbol.asyncDispose]: () => sql.end({ timeout: 1 }),
    };
  }

  /** One statement, or several, as the superuser; once the server has recovered, if it has to. */
  async query<Row>(text: string, database?: string): Promise<Row[]> {
    for (;;) {
      await using session = this.open(database);
      try {
        return await session.query<Row>(text);
      } catch (error) {
        if ((error as { code?: unknown }).code !== RECOVERS) throw error;
        await pause(LOOK_AGAIN_MS);
      }
    }
  }

  /**
   * The process that serves a provider's connection, once there is one that is at it.
   * @param condition what `pg_stat_activity` says of it
   */
  async backend(condition = "state = 'active'"): Promise<number> {
    for (;;) {
      const [found] = await this.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity
        WHERE application_name LIKE '${OUR_NAME}%' AND ${condition} LIMIT 1`,
      );
      if (found) return found.pid;
      await pause(LOOK_AGAIN_MS);
    }
  }

  /** By kill -9, upon which the server throws out everybody and recovers as from a crash. */
  async killBackend(condition?: string): Promise<void> {
    Deno.kill(await this.backend(condition), "SIGKILL");
  }

  /** Where nobody can wait, as a process ends. */
  disposeNow(): void {
    this.#process?.kill("SIGQUIT");
    this.#process = null;
    Deno.removeSync(this.dir, { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.crash("SIGQUIT");
    await Deno.remove(this.dir, { recursive: true });
  }
}
