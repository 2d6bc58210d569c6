/**
 * Who may read `/metrics`: it names nobody, but tells a competitor how business goes, and an
 * attacker how much is left of what. By default only this machine, where a Prometheus or its agent
 * is; who monitors from elsewhere is listed.
 */
import { KhachapuriError } from "../../errors.ts";
import type { IpRanges } from "../../ip_ranges.ts";
import type { HttpRequest } from "../http/request.ts";
import { hostNameOf } from "../http/target.ts";

/** What a proxy adds that passes on what others ask. */
const PROXIED = ["x-forwarded-for", "forwarded", "x-real-ip", "via"];

/** The parts of a request that tell who asks. */
type Asking = Pick<HttpRequest, "sender" | "host"> & { fields: Pick<HttpRequest["fields"], "has"> };

export class MetricsReaders {
  /**
   * @param readers addresses and ranges
   * @param webDomain by which the world calls the provider
   */
  constructor(private readonly readers: IpRanges, private readonly webDomain: URL) {}

  /** @throws KhachapuriError `access_denied` */
  assertReader(request: Asking): void {
    const { sender: { address } } = request;
    if (this.readers.has(address) && !(isLoopback(address) && this.#isPassedOn(request))) return;
    throw new KhachapuriError("access_denied", "metrics are not for everybody", {
      hints: [
        "on the provider's machine: curl http://127.0.0.1:8402/metrics (the port of `listen`)",
        "provider: list who monitors from elsewhere in provider.metricsReaders of config.json",
      ],
    });
  }

  /**
   * A proxy that is not listed in `trustedProxies` makes all the world come from this machine: who
   * really does asks for it by a name that leads nowhere else.
   */
  #isPassedOn({ fields, host }: Asking): boolean {
    const asked = hostNameOf(host);
    const { hostname } = this.webDomain;
    const isOfDomain = asked === hostname || asked.endsWith(`.${hostname}`);
    const isOfWorld = !isLocalName(asked) && (isOfDomain || asked === "" || asked.includes("."));
    return isOfWorld || PROXIED.some((name) => fields.has(name));
  }
}

function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

/** A provider that is tried out on one's own machine is called by such a name from there only. */
function isLocalName(hostname: string): boolean {
  return hostname === "localhost" || hostname.endsWith(".localhost") || isLoopback(hostname) ||
    hostname === "[::1]";
}
