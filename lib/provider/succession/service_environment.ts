/** What whoever started this process tells it by its environment. */
import { KhachapuriError } from "../../errors.ts";

/** A process as its starter sees it. */
export interface ServiceEnvironment {
  readonly pid: number;
  env(name: string): string | undefined;
}

/** Of this process. */
export const OURS: ServiceEnvironment = { pid: Deno.pid, env: (name) => Deno.env.get(name) };

/** Where a service manager's descriptors begin (sd_listen_fds(3)). */
const FIRST = 3;
/** As many as the helper passes on to a successor (sandbox/init/launch.c). */
const MOST_DESCRIPTORS = 64;
/** What systemd calls one that has no name. */
const NAMELESS = "unknown";

/**
 * The sockets that a service manager holds for us, by name: it listens before we start and after
 * we have ended, and whoever calls meanwhile waits.
 * @throws KhachapuriError `invalid_config` where it passes what we would not serve
 */
export function givenDescriptors({ pid, env }: ServiceEnvironment): ReadonlyMap<string, number> {
  const given = new Map<string, number>();
  // Meant for the process of this number, and not for what that one started.
  if (env("LISTEN_PID") !== String(pid)) return given;
  const text = env("LISTEN_FDS") ?? "";
  const count = Number(text);
  if (!/^[0-9]{1,4}$/.test(text) || count > MOST_DESCRIPTORS) {
    throw refused(`LISTEN_FDS is "${text}"`, "it is a number of sockets, 64 at most");
  }
  const names = (env("LISTEN_FDNAMES") ?? "").split(":");
  for (let index = 0; index < count; index++) {
    const said = names[index] || NAMELESS;
    const name = count === 1 && said === NAMELESS ? "listen" : said;
    if (given.has(name)) {
      const reason = `the service manager passes several sockets named ${name}`;
      throw refused(reason, "one ListenStream= to a name: [::]:443 takes IPv4, too");
    }
    given.set(name, FIRST + index);
  }
  return given;
}

/**
 * The socket of this name that a service manager holds for us: `listen` is where the provider
 * serves, `http` is port 80's. null: we open our own.
 * @throws KhachapuriError `invalid_config`
 */
export function givenDescriptor(name: string, environment = OURS): number | null {
  return givenDescriptors(environment).get(name) ?? null;
}

function refused(reason: string, hint: string): KhachapuriError {
  return new KhachapuriError("invalid_config", reason, {
    hints: [hint, "FileDescriptorName= in the socket's unit names it"],
  });
}
