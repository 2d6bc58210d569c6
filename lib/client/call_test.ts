import assert from "node:assert/strict";
import type { Address } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { nameProvider, PRICE, startEscrowChain } from "../../worlds/chain/escrow_chain.ts";
import { ACCOUNTS } from "../../worlds/chain/people.ts";
import { makeFolder } from "../../worlds/home.ts";
import { clientLane } from "../chain/lane.ts";
import {
  type CreditsOffer,
  decodePaymentHeader,
  offerToJson,
  paymentRequired,
  toHeader,
} from "../payment_header.ts";
import { recoverPermitSigner } from "../permit.ts";
import { callDeployment, type CallOptions, callUrl } from "./call.ts";
import { openPermitBook } from "./permit_book.ts";

const CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
const PROVIDER = ACCOUNTS.provider.address;
const account = privateKeyToAccount(`0x${"11".repeat(32)}`);

Deno.test("callUrl() keeps the call inside the deployment", () => {
  const url = (path: string) => callUrl("https://p.example", { name: "a", cid: CID, path }).href;
  assert.equal(url("/a b?q=1"), `https://p.example/${CID}/a%20b?q=1`);
  assert.equal(url(""), `https://p.example/${CID}`);
  for (const path of ["/../other", "/%2e%2e/other", "/a/../../other", "/..\\other"]) {
    assert.throws(() => url(path), { code: "usage" }, path);
  }
});

/** A server that remembers what it was sent and answers from a list. */
function server(...answers: Response[]) {
  const seen: { url: string; headers: Headers; redirect: string | undefined }[] = [];
  const fetch = ((input: URL, init: RequestInit) => {
    const { headers, redirect } = init;
    seen.push({ url: input.href, headers: new Headers(headers), redirect });
    return Promise.resolve(answers.shift() ?? new Response("ok"));
  }) as unknown as typeof globalThis.fetch;
  return { seen, fetch };
}

async function startNames() {
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await startEscrowChain());
  const book = openPermitBook(stack.use(await makeFolder()).dir);
  const { chain, escrow, usdc, registry } = world;
  await nameProvider(world, "paolo.eth", { webDomain: "https://p.example" });
  const contracts = { escrow, usdc, registry };
  const call = (options: Partial<CallOptions>) =>
    callDeployment(chain, contracts, {
      target: { name: "paolo.eth", cid: CID, path: "/hi" },
      request: { method: "POST", headers: [["x-a", "b"]], body: null },
      pay: "when asked",
      account: () => Promise.resolve(account),
      book,
      now: () => 1_000_000,
      ...options,
    });
  const offer: CreditsOffer = {
    chainId: chain.chainId,
    escrow,
    asset: usdc,
    payTo: PROVIDER,
    pricePerCredit: PRICE,
    maxTimeoutSeconds: 15,
    thawingPeriodSeconds: 3_600,
  };
  const owned = stack.move();
  return { chain, escrow, call, offer, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function refusal(offer: CreditsOffer): Response {
  const required = toHeader(paymentRequired([offerToJson(offer)], { url: "/x" }));
  return new Response("{}", { status: 402, headers: { "payment-required": required } });
}

Deno.test("callDeployment() pays only when asked, and then for the address the name says", async () => {
  await using names = await startNames();
  const free = server();
  const answer = await names.call({ fetch: free.fetch });
  assert.equal(answer.paid, null);
  assert.equal(free.seen[0]!.headers.get("payment-signature"), null);
  assert.equal(free.seen[0]!.headers.get("x-a"), "b");
  assert.equal(free.seen[0]!.redirect, "manual");

  const asking = server(refusal(names.offer), new Response("paid"));
  const paid = await names.call({ fetch: asking.fetch });
  assert.equal(await paid.response.text(), "paid");
  assert.equal(asking.seen.length, 2);
  const header = asking.seen[1]!.headers.get("payment-signature")!;
  const domain = { chainId: names.chain.chainId, escrow: names.escrow };
  const { permit } = decodePaymentHeader(header, { ...domain, provider: PROVIDER });
  assert.equal(permit.credits, 1n);
  assert.equal(permit.price, PRICE);
  assert.ok(permit.deadline >= 87_400n && permit.deadline < 91_000n);
  assert.equal(permit.lane, clientLane(account.address));
  assert.equal(await recoverPermitSigner(domain, permit), account.address);

  const never = server(refusal(names.offer));
  assert.equal((await names.call({ fetch: never.fetch, pay: "never" })).response.status, 402);
  const always = server();
  assert.equal((await names.call({ fetch: always.fetch, pay: "always" })).paid?.price, PRICE);
  assert.equal(always.seen.length, 1);
});

Deno.test("callDeployment() believes a name that the server gave only as the record has it", async () => {
  await using names = await startNames();
  const call = (webDomain: string, options: Partial<CallOptions> = {}) =>
    names.call({
      target: { name: "paolo.eth", cid: CID, path: "/hi", webDomain },
      fetch: server().fetch,
      ...options,
    });
  assert.equal((await call("https://p.example")).response.status, 200);
  await assert.rejects(call("https://thief.example"), { code: "misdirected" });
  const deposit = { amount: 1_000_000n, credits: 1n };
  await assert.rejects(call("https://p.example", { deposit }), { code: "usage" });
});

Deno.test("callDeployment() refuses a server that wants more, or somebody else, paid", async () => {
  await using names = await startNames();
  const thief: Address = "0x000000000000000000000000000000000000dEaD";
  for (const lie of [{ payTo: thief }, { pricePerCredit: PRICE + 1n }]) {
    const { seen, fetch } = server(refusal({ ...names.offer, ...lie }));
    await assert.rejects(names.call({ fetch }), { code: "payment_required" });
    assert.equal(seen.length, 1);
  }
  const other = server(refusal({ ...names.offer, escrow: thief }));
  await names.call({ fetch: other.fetch });
  const header = other.seen[1]!.headers.get("payment-signature")!;
  assert.equal(decodePaymentHeader(header).accepted.escrow, names.escrow, "signs for its own");
});

Deno.test("callDeployment() says when a provider can't be reached", async () => {
  await using names = await startNames();
  const fetch = () => Promise.reject(new TypeError("connection refused"));
  await assert.rejects(names.call({ fetch }), { code: "provider_unavailable" });
});
