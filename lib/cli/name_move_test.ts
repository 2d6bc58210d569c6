import assert from "node:assert/strict";
import { anvilAccount } from "../../worlds/chain/anvil.ts";
import type { CidText } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { type Movable, moveAll, prepareAll } from "./name_move.ts";

const CID = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku" as CidText;

function place(where: string, failure?: string): Movable & { moved: (CidText | null)[] } {
  const moved: (CidText | null)[] = [];
  return {
    where,
    moved,
    move(cid) {
      if (failure) return Promise.reject(new KhachapuriError("payment_required", failure));
      moved.push(cid);
      return Promise.resolve({ action: "set", facts: {}, lines: [] });
    },
  };
}

Deno.test("a place that fails is named, and keeps no other from being moved", async () => {
  const places = [place("a.eth"), place("b.eth", "no allowance"), place("c.eth")];
  await assert.rejects(moveAll("blog", places, CID), (error) => {
    assert.ok(error instanceof KhachapuriError);
    assert.equal(error.code, "payment_required");
    assert.match(error.message, /blog was moved at a.eth, c.eth; where it failed it points to/);
    assert.deepEqual(error.data, {
      moved: ["a.eth", "c.eth"],
      failed: [{ where: "b.eth", error: "payment_required" }],
    });
    return true;
  });
  assert.deepEqual(places.map(({ moved }) => moved), [[CID], [], [CID]]);
});

Deno.test("where one place says no beforehand, the name is moved nowhere", async () => {
  const refusal = new KhachapuriError("access_denied", "another's");
  const looking = (where: string, prepare: () => Promise<Movable["move"]>) => ({
    where,
    look: () => Promise.reject(refusal),
    prepare,
  });
  const open = place("a.eth");
  const places = [
    looking("a.eth", () => Promise.resolve(open.move)),
    looking("b.eth", () => Promise.reject(refusal)),
  ];
  await assert.rejects(prepareAll(places, anvilAccount(0)), { code: "access_denied" });
  assert.deepEqual(open.moved, []);
});
