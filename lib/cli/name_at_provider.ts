/** A label in the register of one provider: its owner moves it by a signature. */
import { isAddressEqual, type LocalAccount } from "viem";
import type { CidText } from "../cid.ts";
import type { AskedProvider } from "../client/owner_question.ts";
import { askName, moveName } from "../client/registered_name.ts";
import { KhachapuriError } from "../errors.ts";
import type { NameMoved, NamePlace } from "./name_place.ts";

/** A provider that is asked, by its name. */
export type NamedProvider = AskedProvider & { name: string };

export function nameAtProvider(label: string, provider: NamedProvider): NamePlace {
  return {
    where: provider.name,
    async look() {
      const { cid, history, ...facts } = await askName(provider.webDomain, label);
      return { cid, history, facts };
    },
    prepare: (account) => prepare(label, provider, account),
  };
}

/** Where a name more is refused, one of those that are there may be given up: which there are. */
function withList(error: unknown, provider: string): unknown {
  if (!(error instanceof KhachapuriError) || error.code !== "payment_required") return error;
  const hints = [...error.hints, `which there are: khachapuri name list --provider ${provider}`];
  return error.toldWith({ hints });
}

async function prepare(
  label: string,
  provider: NamedProvider,
  account: LocalAccount,
): Promise<(cid: CidText | null) => Promise<NameMoved>> {
  const { owner, cid: present, sequence } = await askName(provider.webDomain, label);
  if (owner !== null && !isAddressEqual(owner, account.address)) {
    const message = `at ${provider.name} the name ${label} is another's: ${owner}`;
    throw new KhachapuriError("access_denied", message, {
      hints: ["take another name", "or sign with the key that has this one: --keys FILE"],
    });
  }
  return async (cid) => {
    if (cid === present) return { action: "unchanged", facts: { sequence }, lines: [] };
    const moved = await moveName(account, provider, { label, cid, sequence }, Date.now())
      .catch((error) => {
        throw withList(error, provider.name);
      });
    const facts = { owner: account.address, sequence: moved.sequence };
    return { action: cid === null ? "removed" : "set", facts, lines: [] };
  };
}
