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
import { callDeployment, type CallOptions, callUrl, placeOf } from "./call.ts";
import { formatCurlUrl } from "./curl_url.ts";
import { openPermitBook } from "./permit_book.ts";

const CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
const PROVIDER = ACCOUNTS.provider.address;
const account = privateKeyToAccount(`0x${"11".repeat(32)}`);

Deno.test("callUrl() keeps the call inside the deployment", () => {
  const url = (path: string) =>
    formatCurlUrl(callUrl("https://p.example", { name: "a", cid: CID, path }));
  assert.equal(url("/a'b?q=1"), `https://p.example/${CID}/a'b?q=1`);
  assert.equal(url("/a/../b?"), `https://p.example/${CID}/b?`);
  assert.equal(url(""), `https://p.example/${CID}`);
  for (const path of ["/../other", "/%2e%2e/other", "/a/../../other", "/..\\other"]) {
    assert.throws(() => url(path), { code: "usage" }, path);
  }
});

/** A server that remembers the permits it was sent and answers from a list. */
function server(...answers: Response[]) {
  const seen: (string | null)[] = [];
  const send = (payment: string | null) => {
    seen.push(payment);
    return Promise.resolve(answers.shift() ?? new Response("ok"));
  };
  return { seen, send };
}

async function startNames() {
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await startEscrowChain());
  const book = openPermitBook(stack.use(await makeFolder()).dir);
  const { chain, escrow, usdc, registry } = world;
  await nameProvider(world, "paolo.eth", { webDomain: "https://p.example" });
  const contracts = { escrow, usdc, registry };
  const target = { name: "paolo.eth", cid: CID, path: "/hi" };
  const place = await placeOf(chain, contracts, target, false);
  const call = (options: Pick<CallOptions<Response>, "send"> & Partial<CallOptions<Response>>) =>
    callDeployment(chain, contracts, place, {
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
  return {
    chain,
    escrow,
    contracts,
    call,
    offer,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function refusal(offer: CreditsOffer): Response {
  const required = toHeader(paymentRequired([offerToJson(offer)], { url: "/x" }));
  return new Response("{}", { status: 402, headers: { "payment-required": required } });
}

Deno.test("callDeployment() pays only when asked, and then for the address the name says", async () => {
  await using names = await startNames();
  const free = server();
  const answer = await names.call({ send: free.send });
  assert.equal(answer.paid, null);
  assert.deepEqual(free.seen, [null]);

  const asking = server(refusal(names.offer), new Response("paid"));
  const paid = await names.call({ send: asking.send });
  assert.equal(await paid.response.text(), "paid");
  assert.equal(asking.seen.length, 2);
  const header = asking.seen[1]!;
  const domain = { chainId: names.chain.chainId, escrow: names.escrow };
  const { permit } = decodePaymentHeader(header, { ...domain, provider: PROVIDER });
  assert.equal(permit.credits, 1n);
  assert.equal(permit.price, PRICE);
  assert.ok(permit.deadline >= 87_400n && permit.deadline < 91_000n);
  assert.equal(permit.lane, clientLane(account.address));
  assert.equal(await recoverPermitSigner(domain, permit), account.address);

  const never = server(refusal(names.offer));
  assert.equal((await names.call({ send: never.send, pay: "never" })).response.status, 402);
  const always = server();
  assert.equal((await names.call({ send: always.send, pay: "always" })).paid?.price, PRICE);
  assert.equal(always.seen.length, 1);
});

Deno.test("placeOf() believes a name that the server gave only as the record has it", async () => {
  await using names = await startNames();
  const { chain, contracts } = names;
  const at = (webDomain: string) =>
    placeOf(chain, contracts, { name: "paolo.eth", cid: CID, path: "/hi", webDomain }, false);
  const { url } = await at("https://p.example");
  assert.equal(formatCurlUrl(url), `https://p.example/${CID}/hi`);
  await assert.rejects(at("https://thief.example"), { code: "misdirected" });
});

Deno.test("callDeployment() signs nothing for a server that -k does not verify", async () => {
  await using names = await startNames();
  const { seen, send } = server(refusal(names.offer), new Response("paid"));
  await assert.rejects(names.call({ send, isUnverified: true }), {
    code: "usage",
    message: /no permit with -k to p\.example/,
  });
  assert.deepEqual(seen, [null]);
});

Deno.test("callDeployment() refuses a server that wants more, or somebody else, paid", async () => {
  await using names = await startNames();
  const thief: Address = "0x000000000000000000000000000000000000dEaD";
  for (const lie of [{ payTo: thief }, { pricePerCredit: PRICE + 1n }]) {
    const { seen, send } = server(refusal({ ...names.offer, ...lie }));
    await assert.rejects(names.call({ send }), { code: "payment_required" });
    assert.equal(seen.length, 1);
  }
  const other = server(refusal({ ...names.offer, escrow: thief }));
  await names.call({ send: other.send });
  const header = other.seen[1]!;
  assert.equal(decodePaymentHeader(header).accepted.escrow, names.escrow, "signs for its own");
});
