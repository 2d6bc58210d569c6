/**
 * A provider that is started before all is there: what only time brings (a chain that answers, the
 * provider key's word for its operator) is waited for, as nobody may be there to start it again.
 */
import { asKhachapuriError, type KhachapuriError } from "../../errors.ts";
import type { Log } from "../../log.ts";

/** How long to wait, and who hears of it. */
export interface Patience {
  /** Ends the wait: nothing is started then. */
  readonly signal: AbortSignal;
  /** Hears what is waited for, whenever that becomes something else; null: for nothing more. */
  onWait(what: string | null): void;
  /** Resolves in `ms`, or when the wait ends. */
  pause(ms: number): Promise<void>;
}

const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 30_000;

/**
 * Starts, and where time alone is missing, again.
 * @returns null when the wait was ended
 * @throws KhachapuriError for what no time mends
 */
export async function startInTime<Started>(
  start: () => Promise<Started>,
  { signal, onWait, pause }: Patience,
  log: Log,
): Promise<Started | null> {
  let waitedFor: string | null = null;
  for (let ms = FIRST_PAUSE_MS; !signal.aborted; ms = Math.min(2 * ms, LONGEST_PAUSE_MS)) {
    try {
      const started = await start();
      if (waitedFor !== null) onWait(null);
      return started;
    } catch (thrown) {
      const error = asKhachapuriError(thrown);
      if (!comesByItself(error)) throw thrown;
      const { shortMessage: what, hints } = error;
      if (what !== waitedFor) {
        log.warn(`waiting: ${what}`, { hints });
        onWait(what);
        ms = FIRST_PAUSE_MS;
      }
      waitedFor = what;
    }
    await pause(ms);
  }
  return null;
}

/** An operator that is not approved yet may be, and a chain that is out of reach comes back. */
function comesByItself({ code, data }: KhachapuriError): boolean {
  return code === "chain_unavailable" || (code === "access_denied" && "operator" in data);
}
