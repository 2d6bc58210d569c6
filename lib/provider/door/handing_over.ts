/**
 * Hands a provider's books over to the process that takes its place. Until they are given away that
 * process may end, or refuse, and nothing has changed.
 */
import { runUidsInUse, takeRunUidsAside } from "../../../sandbox/uid.ts";
import { asKhachapuriError, KhachapuriError } from "../../errors.ts";
import type { Log } from "../../log.ts";
import type { LineConnection } from "../control/lines.ts";
import type { Stoppable } from "../deployment/stops.ts";
import { type Denied, expelDenied } from "./denials.ts";
import { carryTo } from "../handover/carrier.ts";
import { type Desk, farDesk } from "../handover/desk.ts";
import { type Service, type Talk, talkOver } from "../handover/talk.ts";
import type { Turnstile } from "../handover/turnstile.ts";
import { type Bequest, HANDOVER_VERSION } from "./taking_over.ts";
import type { OpenProvider } from "./wiring.ts";

/** The provider that runs, as far as it hands over. */
export interface Incumbent {
  readonly open: OpenProvider;
  readonly turnstile: Turnstile;
  readonly log: Log;
  /** Where it listens. */
  readonly url: string;
  /** The one that asked has ended with the books in its hands: this process takes them back. */
  takeBack(bequest: Bequest, heir: PromiseWithResolvers<Desk>): Promise<void>;
  /**
   * Another process serves by now; resolves when what there is here has ended.
   * @param settled waits for what that process was asked
   */
  replacedBy(settled: () => Promise<void>): Promise<void>;
  /** The successor ends, and cannot keep the books for long. */
  stop(): Promise<void>;
  /** What is left here can neither serve nor pass on: only a new process can go on. */
  fail(error: KhachapuriError): void;
}

/**
 * Hands over to who asks by `lines`; resolves when that connection has ended.
 * @throws KhachapuriError `not_implemented` for a release that does it otherwise
 */
export async function handOver(
  incumbent: Incumbent,
  body: unknown,
  lines: LineConnection,
): Promise<void> {
  assertSpoken(body);
  const { open, log, url } = incumbent;
  const { state: { generation }, provider: { listen, ledger: { postgres } } } = open.site;
  const isFleets = postgres !== undefined;
  await lines.send({ agreed: { generation, pid: Deno.pid, listen, url, isFleets } });
  const ready = Promise.withResolvers<void>();
  const serving = Promise.withResolvers<string>();
  const talk = talkOver(lines, (name) =>
    ({
      ready: () => ready.resolve(),
      serving: (path: string) => serving.resolve(path),
      stopped: (spec: Stoppable) => hearStop(open, spec),
      denied: (denied: Denied) => void expelDenied(open.parts.programs, denied, log),
      stop: () => void incumbent.stop(),
    } as Record<string, Service>)[name]);
  const gone = talk.ended.then(() => null);
  if (await Promise.race([ready.promise.then(() => true), gone]) === null) {
    return log.info("nobody took over", { why: "the other process ended before it was ready" });
  }
  await passOn(incumbent, talk, serving.promise);
}

async function passOn(
  incumbent: Incumbent,
  talk: Talk,
  serving: Promise<string>,
): Promise<void> {
  const { open: { lock }, turnstile, log } = incumbent;
  const heir = Promise.withResolvers<Desk>();
  heir.promise.catch(() => {});
  log.info("handing over");
  const bequest = await giveUpBooks(incumbent, heir.promise).catch((thrown) => {
    const error = asKhachapuriError(thrown);
    log.error("the books could not be handed over", { error });
    heir.reject(error);
    incumbent.fail(error);
    throw error;
  });
  lock.release();
  talk.tell("yours", bequest);
  const path = await Promise.race([serving, talk.ended.then(() => null)]);
  if (path === null) return await incumbent.takeBack(bequest, heir);
  heir.resolve(farDesk(talk.ask));
  const waitedMs = turnstile.lead(carryTo(path));
  log.info("handed over", { waitedMs: Math.round(waitedMs) });
  await incumbent.replacedBy(talk.settled);
  talk.close();
}

/** When it resolves nothing is written here any more, and what was under way is told. */
async function giveUpBooks(
  { open: { parts, estate, site }, turnstile }: Incumbent,
  heir: Promise<Desk>,
): Promise<Bequest> {
  await estate.retire(heir);
  turnstile.hold();
  parts.records.runLog.followers.close();
  const underWay = await estate.handOver(heir);
  takeRunUidsAside(site.state.generation);
  return { uids: runUidsInUse(), ...underWay };
}

/** A server ends with the requests that it has, as it takes no more. */
export function hearStop(
  { books: { records: { stops } }, parts: { programs } }: OpenProvider,
  spec: Stoppable,
): void {
  stops.hear(spec);
  programs.sandboxes.stop(spec);
}

function assertSpoken(body: unknown): void {
  const { version } = Object(body) as { version?: unknown };
  if (version === HANDOVER_VERSION) return;
  const message = `the provider that runs hands over otherwise (version ${HANDOVER_VERSION})`;
  throw new KhachapuriError("not_implemented", message, {
    hints: ["stop it and start this one: calls are refused meanwhile"],
  });
}
