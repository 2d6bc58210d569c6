import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { Address } from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import type { CidText } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import {
  NAME_UNCOVERED_MS_MAX,
  NETWORK_NAME_CHANGES_BURST_MAX,
  OWNER_NAME_CHANGES_BURST_MAX,
} from "../../limits_of_names.ts";
import { parseNameChange, signNameChange } from "../../spec/name_change.ts";
import { type Allowed, Coverage } from "./coverage.ts";
import { NameRegister } from "./register.ts";
import { Registrar } from "./registrar.ts";

const NOW = 1_700_000_000_000;
const owner = privateKeyToAccount(`0x${"11".repeat(32)}`);
const stranger = privateKeyToAccount(`0x${"22".repeat(32)}`);
const PLACE = { provider: owner.address, chainId: 31337, escrow: owner.address };
const [MINE, NEXT, THEIRS] = [
  "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
  "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
  "bafkreigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
] as [CidText, CidText, CidText];
const OWNERS: Record<string, Address> = {
  [MINE]: owner.address,
  [NEXT]: owner.address,
  [THEIRS]: stranger.address,
};

function openDesk(known: Allowed | null = null) {
  let time = NOW;
  const register = new NameRegister(new DatabaseSync(":memory:"), () => time);
  const allowance = { amount: 200_000n, paysCall: true };
  const asked: string[] = [];
  const allowances = new Map<Address, Allowed>([[owner.address, allowance]]);
  const coverage = new Coverage({
    register,
    perUsdc: 10,
    allowedTo: (name) => Promise.resolve(allowances.get(name.owner)!),
    now: () => time,
  });
  const registrar = new Registrar({
    register,
    coverage,
    place: PLACE,
    perUsdc: 10,
    provider: "paolo.example",
    async ownerOf(cid) {
      asked.push("owner");
      await Promise.resolve();
      const found = OWNERS[cid];
      if (!found) throw new KhachapuriError("not_found", "nobody has it");
      return found;
    },
    async allowed(_cid, _from, isSure) {
      asked.push(isSure ? "allowed now" : "allowed");
      await Promise.resolve();
      return isSure ? allowance : known ?? allowance;
    },
    now: () => time,
  });
  const change = async (
    label: string,
    cid: CidText | "",
    sequence: number,
    who: PrivateKeyAccount = owner,
    from = "192.0.2.7",
  ) => {
    const expires = BigInt(time / 1_000) + 300n;
    const json = await signNameChange(
      who,
      { label, cid, sequence: BigInt(sequence), expires },
      PLACE,
    );
    return await registrar.change(parseNameChange(json), from);
  };
  const pass = (ms: number) => void (time += ms);
  return { register, registrar, coverage, allowance, asked, change, pass };
}

Deno.test("an owner points a name at its deployments, and gives it up", async () => {
  const { register, change } = openDesk();
  await change("blog", MINE, 1);
  await change("blog", NEXT, 2);
  assert.equal(register.get("blog")!.cid, NEXT);
  await change("blog", "", 3);
  assert.equal(register.has("blog"), false);
});

Deno.test("a stranger moves nothing, whatever it signs or sends again", async () => {
  const { register, registrar, change } = openDesk();
  const expires = BigInt(NOW / 1_000) + 300n;
  const first = parseNameChange(
    await signNameChange(owner, { label: "blog", cid: MINE, sequence: 1n, expires }, PLACE),
  );
  await registrar.change(first, "192.0.2.7");
  await change("blog", NEXT, 2);
  await assert.rejects(registrar.change(first, "198.51.100.1"), { code: "name_conflict" });
  await assert.rejects(change("blog", THEIRS, 3, stranger), { code: "access_denied" });
  const forged = { ...first, sequence: 3n };
  await assert.rejects(registrar.change(forged, "198.51.100.1"), { code: "invalid_signature" });
  assert.equal(register.get("blog")!.cid, NEXT);
});

Deno.test("a name points to its owner's deployments only, and to such as can be called", async () => {
  const { register, change } = openDesk();
  await assert.rejects(change("blog", THEIRS, 1), { code: "access_denied" });
  const nowhere = "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4" as CidText;
  await assert.rejects(change("blog", nowhere, 1), { code: "not_found" });
  assert.equal(register.has("blog"), false);
});

Deno.test("an owner has as many names as it has allowed for, and is told what to do", async () => {
  const { allowance, change } = openDesk();
  await change("one", MINE, 1);
  await change("two", MINE, 1);
  await assert.rejects(change("three", MINE, 1), (error: KhachapuriError) => {
    assert.equal(error.code, "payment_required");
    assert.match(error.shortMessage, /has 2 names: 0.2 USDC allowed here are good for 2/);
    assert.match(error.hints.join(), /khachapuri allow paolo.example --credits N/);
    return true;
  });
  // What it has, it can move, whatever it has allowed by now.
  allowance.amount = 0n;
  await change("one", NEXT, 2);
  await change("two", "", 2);
  await assert.rejects(change("three", MINE, 1), { code: "payment_required" });
});

Deno.test("whoever can pay a call has one name, whoever cannot has none", async () => {
  const { allowance, change } = openDesk();
  allowance.amount = 1_000n;
  await change("one", MINE, 1);
  await assert.rejects(change("two", MINE, 1), { code: "payment_required" });
  const poor = openDesk();
  Object.assign(poor.allowance, { amount: 0n, paysCall: false });
  await assert.rejects(poor.change("one", MINE, 1), /allowed nothing here/);
});

Deno.test("of changes at once one wins, and no owner gets more names than it may have", async () => {
  const { register, change } = openDesk();
  const outcomes = await Promise.allSettled([
    change("blog", MINE, 1),
    change("blog", NEXT, 1),
    change("blog", THEIRS, 1, stranger),
  ]);
  const codes = outcomes.map((each) => each.status === "rejected" ? each.reason.code : "won");
  assert.equal(codes.filter((code) => code === "won").length, 1, codes.join());
  const names = ["aaa", "bbb", "ccc", "ddd"].map((label) => change(label, MINE, 1));
  await Promise.allSettled(names);
  assert.equal(register.count(owner.address) + register.count(stranger.address) <= 3, true);
  assert.equal(register.count(owner.address) <= 2, true);
});

Deno.test("what costs us is refused after what does not", async () => {
  const { asked, change } = openDesk();
  await assert.rejects(change("blog", MINE, 2), { code: "name_conflict" });
  assert.deepEqual(asked, []);
  await change("blog", MINE, 1);
  asked.length = 0;
  await change("blog", NEXT, 2);
  assert.deepEqual(asked, ["owner"]);
});

Deno.test("changes are limited for each network, and for each owner", async () => {
  const { change, pass } = openDesk();
  await change("blog", MINE, 1);
  let sequence = 2;
  for (let i = 1; i < OWNER_NAME_CHANGES_BURST_MAX; i++) {
    await change("blog", NEXT, sequence++, owner, `198.51.${i}.1`);
  }
  await assert.rejects(change("blog", MINE, sequence, owner, "203.0.113.1"), {
    code: "rate_limited",
  });
  pass(1_000);
  await change("blog", MINE, sequence, owner, "203.0.113.1");
  const network = openDesk();
  for (let i = 0; i < NETWORK_NAME_CHANGES_BURST_MAX; i++) {
    await assert.rejects(network.change("blog", MINE, 9), { code: "name_conflict" });
  }
  await assert.rejects(network.change("blog", MINE, 1), { code: "rate_limited" });
  await network.change("blog", MINE, 1, owner, "203.0.113.1");
});

Deno.test("an owner that allowed something just now is believed once the chain says so", async () => {
  const { asked, change } = openDesk({ amount: 0n, paysCall: false });
  await change("blog", MINE, 1);
  assert.deepEqual(asked, ["owner", "allowed", "allowed now"]);
});

Deno.test("whose money has left keeps no name from others, and its changes come to nothing", async () => {
  const { register, coverage, allowance, change, pass } = openDesk();
  await change("blog", MINE, 1);
  await change("blog", NEXT, 2);
  Object.assign(allowance, { amount: 0n, paysCall: false });
  await coverage.sweep();
  pass(NAME_UNCOVERED_MS_MAX - 1_000);
  Object.assign(allowance, { amount: 200_000n, paysCall: true });
  await assert.rejects(change("blog", THEIRS, 3, stranger), { code: "access_denied" });
  // Whoever wants it has us look again.
  pass(1_000);
  await assert.rejects(change("blog", THEIRS, 3, stranger), { code: "access_denied" });
  Object.assign(allowance, { amount: 0n, paysCall: false });
  await coverage.sweep();
  pass(NAME_UNCOVERED_MS_MAX);
  await assert.rejects(change("blog", THEIRS, 1, stranger), { code: "name_conflict" });
  assert.equal(register.sequence("blog"), 2, "it goes on");
  Object.assign(allowance, { amount: 200_000n, paysCall: true });
  const { left } = await change("blog", THEIRS, 3, stranger);
  assert.equal(left, null, "what another's name pointed to is no business of its next owner");
  assert.deepEqual(register.history("blog").map(({ cid }) => cid), [THEIRS]);
  await assert.rejects(change("blog", MINE, 2), { code: "access_denied" });
});
