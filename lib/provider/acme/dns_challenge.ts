/** dns-01 (RFC 8555, section 8.4): a record of the domain's zone is the proof. */
import type { Clock } from "../../clock.ts";
import type { NameServer } from "../../name_server.ts";
import type { Challenger, Proof } from "./challenge.ts";
import { type Lookup, serversOf, untilSpread } from "./dns_spread.ts";
import type { Change } from "./dns_update.ts";

/** Who changes the zone: a server by RFC 2136, or a program of the provider's. */
export type ChangeRecord = (
  change: Change,
  record: { readonly name: string; readonly text: string },
  signal: AbortSignal,
) => Promise<void>;

export interface DnsChallengeOptions {
  readonly change: ChangeRecord;
  /** Asked whether the record is there; none: all of the zone. */
  readonly nameServers: readonly NameServer[];
  /** Where none can be found out: the one that is told of changes; null: it is not known. */
  readonly first: NameServer | null;
  readonly lookup: Lookup;
  readonly clock: Clock;
}

export function dnsChallenge(options: DnsChallengeOptions): Challenger {
  const { change, clock } = options;
  return {
    present: (proof, signal) => change("add", recordOf(proof), signal),
    async ready(proofs, signal) {
      for (const name of new Set(proofs.map((proof) => recordOf(proof).name))) {
        const own = proofs.map(recordOf).filter((record) => record.name === name);
        const servers = await askedServers(options, name);
        await untilSpread(servers, { name, texts: own.map(({ text }) => text) }, { clock, signal });
      }
    },
    // Also when the provider stops: it has a moment for it.
    withdraw: (proof) => change("remove", recordOf(proof), AbortSignal.timeout(10_000)),
  };
}

function recordOf({ name, keyAuthorization }: Proof): { name: string; text: string } {
  return { name: `_acme-challenge.${name}`, text: keyAuthorization };
}

async function askedServers(
  { nameServers, first, lookup }: DnsChallengeOptions,
  name: string,
): Promise<readonly NameServer[]> {
  if (nameServers.length > 0) return nameServers;
  const found = await serversOf(name, lookup);
  return found.length > 0 || first === null ? found : [first];
}
