/** Where a provider listens, and what is said where it cannot. */
import type { AddressInfo, Server } from "node:net";
import { KhachapuriError } from "../../errors.ts";

/** Where to listen. */
export type Place =
  /** An address; port 0 lets the system choose. */
  | { readonly hostname: string; readonly port: number; readonly isShared?: boolean }
  /** A unix socket. */
  | { readonly path: string }
  /**
   * A socket that listens already, which was passed to this process; its address is what it says.
   * It cannot be opened anew: `onLost` hears where it accepts no connections any more.
   */
  | {
    readonly fd: number;
    readonly hostname: string;
    readonly port: number;
    onLost(): void;
  };

/**
 * Has a server listen.
 * @param setting of config.json that says where
 * @returns the place, with the port that the system chose
 * @throws KhachapuriError `invalid_config` for one that cannot be listened on
 */
export async function bind(
  server: Server,
  place: Place,
  setting = "provider.listen",
): Promise<Place> {
  const isSecond = "isShared" in place && place.isShared;
  if ("port" in place && !("fd" in place) && place.port !== 0 && !isSecond) {
    await assertFree(place, setting);
  }
  await listenOn(server, place, setting);
  if (!("port" in place)) return place;
  if ("fd" in place) return { ...place, ...passedAddress(server, place) };
  return { ...place, port: (server.address() as AddressInfo).port };
}

/**
 * Another process of the provider may listen beside this one, so as to take its place: that of
 * nobody else, though the system would let any process of our user have it.
 */
async function assertFree(
  place: Place & { hostname: string; port: number },
  setting: string,
): Promise<void> {
  const { createServer } = await import("node:net");
  const probe = createServer();
  await listenOn(probe, place, setting, false);
  await new Promise((resolve) => probe.close(resolve));
}

function listenOn(
  server: Server,
  place: Place,
  setting: string,
  isShareable = true,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const refused = (error: Error) => reject(cannotListen(place, error, setting));
    server.once("error", refused);
    server.listen(listenOptions(place, isShareable), () => {
      server.off("error", refused);
      resolve();
    });
  });
}

/** @throws KhachapuriError `invalid_config` for a socket of something else than TCP */
function passedAddress(server: Server, place: Place) {
  const found = server.address() as AddressInfo | string | null;
  if (typeof found !== "object" || typeof found?.port !== "number") {
    server.close();
    throw cannotListen(place, new Error("it is no socket of TCP"), "");
  }
  const { address, port } = found;
  return { hostname: address.includes(":") ? `[${address}]` : address, port };
}

/** How node is told where. */
export function listenOptions(place: Place, isShareable = true) {
  if ("path" in place) return { path: place.path };
  if ("fd" in place) return { fd: place.fd };
  const { hostname: host, port } = place;
  return { host, port, ...(isShareable ? { reusePort: true } : {}) };
}

/** Where that is, for people. */
export function urlOf(place: Place, scheme: string): string {
  return "path" in place ? place.path : `${scheme}://${place.hostname}:${place.port}`;
}

const WHY: Readonly<Record<string, readonly [why: string, hint: string]>> = {
  EADDRINUSE: ["somebody else has it", "end the other program, or name another port"],
  EACCES: ["this user may not", "take a port from 1024 on, or give the unit CAP_NET_BIND_SERVICE"],
  EADDRNOTAVAIL: ["this machine has no such address", "listen on 0.0.0.0 or an address of its own"],
  EINVAL: ["this machine has no such address", "listen on 0.0.0.0 or an address of its own"],
  ENOTFOUND: ["it is no address", "write it as HOST:PORT, e.g. 127.0.0.1:8402"],
};

function cannotListen(place: Place, cause: Error, setting: string): KhachapuriError {
  const [why = cause.message, hint] = WHY[(cause as { code?: string }).code ?? ""] ?? [];
  if ("fd" in place) {
    const reason = `cannot listen on the socket that was passed (${place.fd}): ${cause.message}`;
    return new KhachapuriError("invalid_config", reason, {
      cause,
      hints: ["ListenStream= in the socket's unit is [ADDRESS:]PORT, and Accept=no"],
    });
  }
  const where = "path" in place ? place.path : `${place.hostname}:${place.port}`;
  return new KhachapuriError("invalid_config", `cannot listen on ${where}: ${why}`, {
    cause,
    hints: [...(hint ? [hint] : []), `${setting} in config.json says where`],
  });
}
