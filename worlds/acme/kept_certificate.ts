/** A keeper of a certificate on a listener of loopback, as a provider has them. */
import { WireUsage } from "../../lib/provider/metrics/wire_usage.ts";
import { join } from "node:path";
import type { Clock } from "../../lib/clock.ts";
import { systemClock } from "../../lib/clock.ts";
import { type Config, parseConfig } from "../../lib/config.ts";
import { readHeld } from "../../lib/provider/acme/tls_folder.ts";
import {
  type CertificateRoom,
  openCertificateRoom,
} from "../../lib/provider/door/certificate_room.ts";
import { openListener } from "../../lib/provider/door/listening.ts";
import type { Listener } from "../../lib/provider/wire/listener.ts";
import { type HeardLog, hearLog } from "../heard_log.ts";
import { mirror } from "../wire.ts";

export interface KeptCertificate extends AsyncDisposable, HeardLog {
  readonly room: CertificateRoom;
  readonly listener: Listener;
  readonly dir: string;
  held: () => ReturnType<typeof readHeld>;
}

/** A clock that a test may set, and that goes on from there. */
export function setClock(): Clock & { offsetMs: number } {
  return {
    offsetMs: 0,
    now() {
      return Date.now() + this.offsetMs;
    },
    after: systemClock.after,
  };
}

export interface KeptOptions {
  readonly home: string;
  readonly domain?: string;
  readonly acme: Record<string, unknown>;
  /** The TLS listener's. */
  readonly port?: number;
  readonly now?: () => number;
}

export function configOf({ home, domain = "provider.test", acme, port = 0 }: KeptOptions): Config {
  return parseConfig({
    provider: {
      name: "provider.test",
      address: `0x${"11".repeat(20)}`,
      listen: `127.0.0.1:${port}`,
      webDomain: `https://${domain}`,
      price: "1000",
      terms: ["terms.txt"],
      stateDir: "state",
      keyFile: "keys.json",
      acme: { agreeToTerms: true, ...acme },
    },
  }, home);
}

/** Opens it; nothing is ordered until `room.start()`. */
export async function openKept(options: KeptOptions): Promise<KeptCertificate> {
  const { now = Date.now, home } = options;
  const config = configOf(options);
  const provider = config.provider!;
  const heard = hearLog();
  await using stack = new AsyncDisposableStack();
  const room = await openCertificateRoom(config, provider, { log: heard.log, now }, stack);
  const told = { log: heard.log, usage: new WireUsage(), certificate: room!.keeper };
  const listener = await openListener(config, provider, mirror, told);
  stack.defer(() => listener.stop(0));
  const owned = stack.move();
  const dir = join(home, "state", "tls");
  return {
    ...heard,
    room: room!,
    listener,
    dir,
    held: () => readHeld(dir),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
