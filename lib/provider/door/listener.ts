/** The socket: hands every request to one function, whatever happens to connections. */
import { type Config, type ProviderConfig, resolveFromHome } from "../../config.ts";
import { asKhachapuriError } from "../../errors.ts";
import type { Log } from "../../log.ts";
import { within } from "../../within.ts";

/** Answers a request; never throws. */
export type Handle = (request: Request, remoteAddress: string) => Promise<Response>;

export interface Listener {
  /** Where it listens, e.g. `http://127.0.0.1:8402`. */
  url: string;
  /** No new calls; those under way get `graceMs` to end. */
  stop(graceMs: number): Promise<void>;
}

/** Between two attempts to listen again, ms. */
const RELISTEN_MS = 1_000;

/** Listens where the configuration says; port 0 lets the system choose. */
export async function listen(
  config: Config,
  provider: ProviderConfig,
  handle: Handle,
  log: Log,
): Promise<Listener> {
  const [, hostname = "127.0.0.1", port = "8402"] = /^(.*):([0-9]+)$/.exec(provider.listen) ?? [];
  const tls = provider.tls && {
    cert: await Deno.readTextFile(resolveFromHome(config, provider.tls.cert)),
    key: await Deno.readTextFile(resolveFromHome(config, provider.tls.key)),
  };
  let isStopped = false;
  const open = (port: number) =>
    Deno.serve(
      { hostname, port, onListen: () => {}, onError: (error) => cutOff(error, log), ...tls },
      (request, { remoteAddr }) => handle(request, remoteAddr.hostname),
    );
  let server = open(Number(port));
  const bound = server.addr.port;

  /** Strangers can open more connections than we have files for: that must not be the end. */
  async function listenAgain(error: unknown): Promise<void> {
    log.error("connections are not accepted any more, listening again", { error });
    while (!isStopped) {
      await new Promise((resolve) => Deno.unrefTimer(setTimeout(resolve, RELISTEN_MS)));
      try {
        if (!isStopped) watch(server = open(bound));
        return;
      } catch (error) {
        log.error("cannot listen yet", { error });
      }
    }
  }
  function watch({ finished }: typeof server): void {
    finished.catch(listenAgain);
  }
  watch(server);
  return {
    url: `${tls ? "https" : "http"}://${hostname}:${bound}`,
    async stop(graceMs) {
      isStopped = true;
      await within(server.shutdown().catch(() => {}), graceMs);
    },
  };
}

/**
 * An answer that had begun could not be ended. Mostly a program met a limit or a caller went away,
 * which strangers may bring about as often as they like.
 */
function cutOff(thrown: unknown, log: Log): Response {
  const error = asKhachapuriError(thrown);
  const level = error.code === "internal" ? "error" : "debug";
  log[level]("an answer was cut off", { error });
  return new Response(null, { status: 500 });
}
