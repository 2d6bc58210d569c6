import assert from "node:assert/strict";
import { privateKeyToAccount } from "viem/accounts";
import { fetchOwnedNames } from "./owned_names.ts";

const CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
const account = privateKeyToAccount(`0x${"11".repeat(32)}`);
const PROVIDER = {
  chainId: 8_453,
  escrow: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
  address: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
  webDomain: "https://p.test",
} as const;

function names(answer: object) {
  const fetch = ((url: string, { body }: RequestInit) => {
    assert.equal(url, "https://p.test/deployments");
    assert.equal(JSON.parse(String(body)).owner, account.address);
    return Promise.resolve(Response.json(answer));
  }) as typeof globalThis.fetch;
  return fetchOwnedNames(account, PROVIDER, { fetch });
}

Deno.test("an owner's names are told with what each leads to; a provider without has none", async () => {
  const blog = { name: "blog", cid: CID, since: 5, lapsesAt: null };
  const said = { ...blog, owner: account.address, sequence: 2 };
  assert.deepEqual(await names({ deployments: [], names: [said] }), [blog]);
  assert.deepEqual(await names({ deployments: [] }), []);
  await assert.rejects(names({ names: [{ ...said, cid: "no cid" }] }), { code: "invalid_cid" });
});
