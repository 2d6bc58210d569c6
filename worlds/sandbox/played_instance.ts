/** An instance whose program is the test: a real socket, HTTP by hand, and nobody's process. */
import { join } from "node:path";
import { concat } from "../../sandbox/bytes.ts";
import type { Instance } from "../../sandbox/instance.ts";
import type { RunRecord } from "../../sandbox/sandbox.ts";
import type { KhachapuriError } from "../../lib/errors.ts";

export interface PlayedRequest {
  readonly method: string;
  readonly target: string;
  readonly body: string;
  /** Which of the instance's connections it came on, from 1. */
  readonly connection: number;
  write(text: string): Promise<void>;
  /** The next bytes that the caller sent; null: no more. */
  read(): Promise<Uint8Array | null>;
  /** Ends its connection. */
  hangUp(): void;
}

export interface PlayedInstance extends Instance {
  readonly number: number;
  /** What was done to it: "freeze", "thaw", "terminate", "kill", "close". */
  readonly told: string[];
  /** Connections open now. */
  connections(): number;
  /** Its program ends so. */
  die(record?: Partial<RunRecord>): void;
  /** Our side fails. */
  fail(error: KhachapuriError): void;
  print(text: string): void | Promise<void>;
  isGone(): boolean;
  onTerminate: () => void;
}

export interface PlayedOptions {
  number: number;
  dir: string;
  onOutput(bytes: Uint8Array): void | Promise<void>;
  handle(request: PlayedRequest, instance: PlayedInstance): void | Promise<void>;
  /** When it comes to listen. */
  listens?: Promise<void>;
}

/** An answer whose body is `text`. */
export function ok(text = "hello", fields = ""): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n${fields}\r\n${text}`;
}

const RECORD: RunRecord = {
  exit: 0,
  signal: null,
  limit: null,
  wallMs: 1,
  listeningPort: null,
  cpuMs: 1,
  peakMemoryBytes: 1,
  stdinBytes: 0,
  stdoutBytes: 0,
  stderrBytes: 0,
  egress: null,
  stderr: new Uint8Array(0),
};

export function playInstance(options: PlayedOptions): PlayedInstance {
  const { number, dir, onOutput, listens = Promise.resolve() } = options;
  const socketPath = join(dir, `in${number}`);
  const listener = Deno.listen({ transport: "unix", path: socketPath });
  const sockets = new Set<Deno.Conn>();
  const ended = Promise.withResolvers<RunRecord>();
  ended.promise.catch(() => {});
  let isGone = false;
  let thawed = Promise.withResolvers<void>();
  thawed.resolve();

  const drop = (socket: Deno.Conn) => {
    if (sockets.delete(socket)) socket.close();
  };
  const goneWith = (finish: () => void) => {
    if (isGone) return;
    isGone = true;
    listener.close();
    for (const socket of [...sockets]) drop(socket);
    thawed.resolve();
    // Where the listener has not done so.
    try {
      Deno.removeSync(socketPath);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    finish();
  };
  const serve = async (socket: Deno.Conn, connection: number) => {
    try {
      await serveRequests(socket, connection, () => thawed.promise, (request) => {
        return options.handle({ ...request, hangUp: () => drop(socket) }, played);
      });
    } catch {
      // The other end is gone, or this one.
    }
    drop(socket);
  };
  const accept = async () => {
    let connections = 0;
    for await (const socket of listener) {
      sockets.add(socket);
      if (isGone) drop(socket);
      else void serve(socket, ++connections);
    }
  };
  void accept().catch(() => {});

  const told: string[] = [];
  const played: PlayedInstance = {
    number,
    told,
    socketPath,
    record: ended.promise,
    listening: () => listens,
    connections: () => sockets.size,
    isGone: () => isGone,
    onTerminate: () => played.die(),
    die: (record = {}) => goneWith(() => ended.resolve({ ...RECORD, ...record })),
    fail: (error) => goneWith(() => ended.reject(error)),
    print: (text) => onOutput(new TextEncoder().encode(text)),
    freeze() {
      told.push("freeze");
      thawed = Promise.withResolvers();
    },
    thaw() {
      told.push("thaw");
      thawed.resolve();
    },
    usage: () => Promise.resolve({ cpuMs: 1, memoryBytes: 1_000 * number, processes: 1 }),
    terminate() {
      told.push("terminate");
      played.onTerminate();
    },
    kill() {
      told.push("kill");
      played.die({ exit: null, signal: "SIGKILL", limit: "aborted" });
    },
    close() {
      told.push("close");
      played.die({ exit: null, signal: "SIGKILL", limit: "aborted" });
      return Promise.resolve();
    },
  };
  return played;
}

type Bare = Omit<PlayedRequest, "hangUp">;

/** One after another, as they come; a body has a Content-Length. */
async function serveRequests(
  socket: Deno.Conn,
  connection: number,
  awake: () => Promise<void>,
  handle: (request: Bare) => void | Promise<void>,
): Promise<void> {
  let rest: Uint8Array = new Uint8Array(0);
  const read = async () => {
    if (rest.length > 0) {
      const bytes = rest;
      rest = new Uint8Array(0);
      return bytes;
    }
    const buffer = new Uint8Array(65_536);
    const count = await socket.read(buffer);
    return count === null ? null : buffer.slice(0, count);
  };
  const write = async (text: string) => {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += await socket.write(bytes.subarray(at));
  };
  for (;;) {
    let text = "";
    let whole: Uint8Array = new Uint8Array(0);
    const end = () => text.indexOf("\r\n\r\n") + 4;
    const length = () => Number(/^content-length: (\d+)\r$/im.exec(text)?.[1] ?? 0);
    while (end() < 4 || whole.length < end() + length()) {
      const bytes = await read();
      if (bytes === null) return;
      whole = concat([whole, bytes]);
      text = new TextDecoder("latin1").decode(whole);
    }
    await awake();
    const body = text.slice(end(), end() + length());
    rest = whole.slice(end() + length());
    const [method, target] = text.split(" ", 2) as [string, string];
    await handle({ method, target, body, connection, write, read });
  }
}
