/** A provider's names in memory: a register of one owner's, and domains as a test says. */
import { DatabaseSync } from "node:sqlite";
import type { Address } from "viem";
import type { CidText } from "../../lib/cid.ts";
import { Coverage } from "../../lib/provider/naming/coverage.ts";
import { NameLookupRates } from "../../lib/provider/naming/lookup_rates.ts";
import { Names } from "../../lib/provider/naming/names.ts";
import { NameRegister } from "../../lib/provider/naming/register.ts";
import { Registrar } from "../../lib/provider/naming/registrar.ts";
import { ResolutionStore } from "../../lib/provider/naming/resolution_store.ts";
import { Resolutions } from "../../lib/provider/naming/resolutions.ts";
import type { NamePlace } from "../../lib/spec/name_change.ts";

export interface PlayedNames {
  readonly names: Names;
  readonly register: NameRegister;
  /** What names of DNS and ENS point to; a function that throws is an outage. */
  readonly outside: Map<string, CidText | (() => never)>;
  /** Deployments that names led to, and lead to no more. */
  readonly left: CidText[];
}

export function playNames(place: NamePlace, owner: Address, now: () => number): PlayedNames {
  const outside: PlayedNames["outside"] = new Map();
  const left: CidText[] = [];
  const register = new NameRegister(new DatabaseSync(":memory:"), now);
  // deno-lint-ignore require-await -- an outage is a rejection
  const lookUp = async (name: string) => {
    const found = outside.get(name) ?? null;
    return { cid: typeof found === "function" ? found() : found, ttl: 60 };
  };
  const resolutions = new Resolutions({
    lookUp: { dnslink: lookUp, ens: lookUp },
    rates: new NameLookupRates(now),
    store: new ResolutionStore(new DatabaseSync(":memory:")),
    now,
  });
  const allowed = () => Promise.resolve({ amount: 1_000_000n, paysCall: true });
  const coverage = new Coverage({ register, perUsdc: 10, allowedTo: allowed, now });
  const registrar = new Registrar({
    register,
    coverage,
    place,
    perUsdc: 10,
    provider: "provider.test",
    ownerOf: () => Promise.resolve(owner),
    allowed,
    now,
  });
  const onLeft = (cid: CidText) => void left.push(cid);
  const names = new Names({ register, coverage, registrar, resolutions, onLeft, now });
  return { names, register, outside, left };
}
