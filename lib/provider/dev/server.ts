/** A program served to its developer: a provider's sandbox and wire, without chain and IPFS. */
import { basename, dirname, join } from "node:path";
import type { Address } from "viem";
import type { SandboxHost } from "../../../sandbox/sandbox.ts";
import { asKhachapuriError, KhachapuriError } from "../../errors.ts";
import type { Log } from "../../log.ts";
import type { Handle } from "../http/request.ts";
import { leave } from "../program/interface/interface.ts";
import { openBackstage, type StagedProgram } from "../program/stage.ts";
import { listen, type Listener } from "../wire/listener.ts";
import { createDevHandle, type DevListener } from "./handle.ts";
import { ProgramFolder, type ProgramVersion } from "./program.ts";
import { Versions } from "./versions.ts";
import { Watch } from "./watch.ts";

export interface DevOptions extends DevListener {
  readonly host: SandboxHost;
  /** The program's folder. */
  readonly dir: string;
  /** How it is to be run, as of now. @throws KhachapuriError why it cannot */
  readonly program: () => Promise<StagedProgram>;
  /** Hosts that its programs find elsewhere: host:port to address:port. */
  readonly connectTo: StagedProgram["connectTo"];
  /** The file that its environment is read from, absolute; null: none is. */
  readonly envFile: string | null;
  /** Whose permit each request seems to bring; null: the owner pays. */
  readonly payer: Address | null;
  readonly hostname: string;
  /** Hosts that are answered beside it and this machine's own names. */
  readonly allowedHosts: readonly string[];
  /** To be tried one after another; 0 lets the system choose. */
  readonly ports: readonly number[];
  /** There is another version, or there is none and `fault` says why. */
  onBuilt(fault: KhachapuriError | null, ms: number): void;
  /** Changes are not seen, and why. */
  onBlind(error: Error): void;
  readonly log: Log;
}

export interface DevServer {
  /** Where it listens. */
  readonly url: string;
  /** Rejects with `sandbox_unavailable` when no program at all can be run here. */
  readonly unable: Promise<never>;
  /** Ends all that runs, and removes all that was made. */
  stop(): Promise<void>;
}

/**
 * Serves a program, anew whenever its folder changes. Requests wait for the version that is being
 * made; what keeps it from being run is their answer.
 * @throws KhachapuriError `not_found` without such a folder; `invalid_config` for an address that
 * cannot be listened on
 */
export async function startDevServer(options: DevOptions): Promise<DevServer> {
  const dir = await folderAt(options.dir);
  const { promise: unable, reject } = Promise.withResolvers<never>();
  unable.catch(() => {});
  await using stack = new AsyncDisposableStack();
  const backstage = stack.use(await openBackstage(options.host));
  const folder = new ProgramFolder(backstage, dir, options.program, options.onRun);
  const versions = stack.adopt(
    new Versions<ProgramVersion>({
      build: () => folder.build(),
      onBuilt: options.onBuilt,
    }),
    (versions) => versions.close(),
  );
  const { onBlind } = options;
  const envFile = options.envFile === null ? null : await realFile(options.envFile);
  stack.use(new Watch({ dir, envFile, onBlind, onChange: (settled) => versions.renew(settled) }));
  let origin = new URL(`http://${options.hostname}`);
  const { handle } = stack.use(createDevHandle({
    ...options,
    place: { command: "dev", connectTo: options.connectTo },
    allowedHosts: [options.hostname, ...options.allowedHosts],
    versions,
    origin: () => origin,
  }));
  const listener = await listenAt(options, handle);
  stack.defer(() => listener.stop(0));
  origin = new URL(listener.url);
  assertRuns(versions).catch((error) => {
    if (asKhachapuriError(error).code === "sandbox_unavailable") reject(error);
  });
  const owned = stack.move();
  return { url: listener.url, unable, stop: () => owned.disposeAsync() };
}

/** @throws KhachapuriError for what no change in the folder would mend */
async function folderAt(dir: string): Promise<string> {
  const real = await Deno.realPath(dir).catch((cause) => {
    throw new KhachapuriError("not_found", `no folder at ${dir}`, { cause });
  });
  if ((await Deno.stat(real)).isDirectory) return real;
  throw new KhachapuriError("invalid_input", `${dir} is not a folder`, {
    hints: ["give the folder that the program is in"],
  });
}

/** The file itself may be another at any moment, its folder stays. */
async function realFile(path: string): Promise<string> {
  const folder = await Deno.realPath(dirname(path)).catch(() => dirname(path));
  return join(folder, basename(path));
}

async function listenAt(options: DevOptions, handle: Handle): Promise<Listener> {
  const { hostname, ports, log } = options;
  const [port = 0, ...others] = ports;
  try {
    return await listen({
      place: { hostname, port },
      tls: null,
      handle,
      log,
      onUnread: options.onUnread,
      // All that come are the developer's own.
      networkOf: () => null,
      senderOf: ({ socket }) => ({ address: socket.remoteAddress ?? "", scheme: "http" }),
    });
  } catch (thrown) {
    if (others.length > 0) return await listenAt({ ...options, ports: others }, handle);
    throw asKhachapuriError(thrown).toldWith({
      hints: ["name another with --listen HOST:PORT; port 0 takes one that is free"],
    });
  }
}

/** Finds out whether anything can be run here, by starting what is no program. */
async function assertRuns(versions: Versions<ProgramVersion>): Promise<void> {
  const { version, release } = await versions.take();
  try {
    const place = await version.workplace.take();
    leave(place);
    // A server has been started.
    if (!("run" in place)) return;
    const run = await place.run({ argv: ["."], env: {}, stdin: null });
    await run.record;
  } finally {
    release();
  }
}
