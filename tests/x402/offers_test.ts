/** What a server offers is its own affair: the stock client with our package before any such. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { shippedOn } from "../../lib/chain/deployments.ts";
import {
  type CreditsOffer,
  decodePaymentHeader,
  offerToJson,
  PAYMENT_REQUIRED_HEADER,
  PAYMENT_RESPONSE_HEADER,
  PAYMENT_SIGNATURE_HEADER,
  paymentRequired,
  paymentResponse,
  toHeader,
} from "../../lib/payment_header.ts";
import type { Permit } from "../../lib/permit.ts";
import { ACCOUNTS } from "../../worlds/chain/people.ts";
import { worthOf } from "../../worlds/credits_server.ts";
import { openAgency } from "./agent.ts";
import { areStockClientsThere, openWorkplace } from "./stock.ts";

const ignore = !await areStockClientsThere();

const { payer, provider } = ACCOUNTS;
const BASE = shippedOn(8453)!;

const offer: CreditsOffer = {
  chainId: 8453,
  escrow: BASE.escrow,
  asset: BASE.usdc.address,
  payTo: provider.address,
  pricePerCredit: 1_000n,
  maxTimeoutSeconds: 15,
  thawingPeriodSeconds: 86_400,
};
const credits = offerToJson(offer);
const exact = {
  scheme: "exact",
  network: "eip155:8453",
  amount: "10000",
  asset: BASE.usdc.address,
  payTo: provider.address,
  maxTimeoutSeconds: 60,
  extra: { name: BASE.usdc.name, version: BASE.usdc.version },
};

/** What a server says to a permit: so many credits are charged, or these are offered anew. */
type Reply = { readonly charged: bigint } | { readonly accepts: object[] };

interface Script {
  /** What is offered at first; asked at each request. */
  accepts(): object[];
  reply(permit: Permit): Reply;
}

/** A server that keeps every permit that it was ever sent. */
function startServer(script: Script) {
  const permits: Permit[] = [];
  const refuse = (accepts: object[]) => {
    const entries = accepts as { scheme: string }[];
    const header = toHeader(paymentRequired(entries, { url: "https://shop.example/" }));
    return new Response("{}", { status: 402, headers: { [PAYMENT_REQUIRED_HEADER]: header } });
  };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const header = request.headers.get(PAYMENT_SIGNATURE_HEADER);
    if (header === null) return refuse(script.accepts());
    if (JSON.parse(atob(header)).accepted.scheme === "exact") return new Response("by exact");
    const { permit } = decodePaymentHeader(header);
    permits.push(permit);
    const reply = script.reply(permit);
    if ("accepts" in reply) return refuse(reply.accepts);
    const notice = toHeader(paymentResponse({
      chainId: 8453,
      payer: permit.payer,
      chargedCredits: 1n,
      cumulativeCredits: reply.charged,
      availableCredits: 9n,
    }));
    return new Response("by credits", { headers: { [PAYMENT_RESPONSE_HEADER]: notice } });
  });
  const url = `http://127.0.0.1:${server.addr.port}/`;
  return { url, permits, [Symbol.asyncDispose]: () => server.shutdown() };
}

const charge = ({ credits: charged }: Permit): Reply => ({ charged });

Deno.test(
  { name: "credits come before exact, which pays where they cannot", ignore },
  async () => {
    await using agency = await openAgency();
    const how = async (accepts: object[], reply: Script["reply"], policy: boolean) => {
      await using server = startServer({ accepts: () => accepts, reply });
      const { url } = server;
      const { answers } = await agency.send(payer, { url, calls: 2, exact: true, policy });
      return answers.map(({ body, failed }) => failed ?? body);
    };
    const both = ["by credits", "by credits"];
    assert.deepEqual(await how([credits, exact], charge, false), both);
    assert.deepEqual(await how([exact, credits], charge, true), both);
    const foreign = offerToJson({ ...offer, escrow: provider.address });
    assert.deepEqual(await how([foreign, exact], charge, true), ["by exact", "by exact"]);
    const lacking = () => ({ accepts: [credits, exact] });
    assert.deepEqual(await how([credits, exact], lacking, true), ["by exact", "by exact"]);
  },
);

Deno.test(
  { name: "a hostile server gets no more than the caps", ignore },
  async (t) => {
    await using agency = await openAgency();
    const caps = { perCall: "0.01", perProvider: "0.02", total: "0.03" };
    const attack = async (script: Script) => {
      await using server = startServer(script);
      const { url } = server;
      const errand = { url, calls: 40, atOnce: 4, options: { caps } };
      const { answers } = await agency.send(payer, errand);
      assert.ok(worthOf(server.permits) <= 30_000n, `${worthOf(server.permits)} signed`);
      return { answers, permits: server.permits };
    };

    await t.step("that says one price and asks for another", async () => {
      const dear = { ...credits, extra: { ...credits.extra, pricePerCredit: "1000000" } };
      const { permits, answers } = await attack({ accepts: () => [dear], reply: charge });
      assert.equal(permits.length, 0);
      assert.match(answers[0]!.failed!, /says 1000 and asks for 1000000/);
    });

    await t.step("that raises its price from call to call", async () => {
      let price = 1_000n;
      const accepts = () => [offerToJson({ ...offer, pricePerCredit: price += 500n })];
      const { permits } = await attack({ accepts, reply: charge });
      assert.ok(permits.every((permit) => permit.price <= 10_000n));
      assert.ok(worthOf(permits) <= 20_000n);
    });

    await t.step("that counts what nobody called for", async () => {
      const reply = ({ lane: id, credits: cumulative }: Permit): Reply => {
        return { accepts: [offerToJson({ ...offer, lane: { id, cumulative: cumulative * 9n } })] };
      };
      const { answers, permits } = await attack({ accepts: () => [credits], reply });
      for (const { failed } of answers) assert.match(failed ?? "", /its word alone|caps\./);
      assert.ok(permits.every((permit) => permit.credits <= 8n), "no more than calls at a time");
    });

    await t.step("that charges all that is signed for, and more", async () => {
      const { permits } = await attack({
        accepts: () => [credits],
        reply: ({ credits }) => ({ charged: credits * 1_000n }),
      });
      assert.ok(worthOf(permits) <= 20_000n);
    });

    await t.step("that is paid at another address each time", async () => {
      let number = 0xabc0000n;
      const accepts = () => {
        const payTo = `0x${(++number).toString(16).padStart(40, "0")}` as const;
        return [offerToJson({ ...offer, payTo })];
      };
      const { permits, answers } = await attack({ accepts, reply: charge });
      assert.equal(permits.length, 30);
      assert.match(answers.at(-1)!.failed!, /caps\.total \(0\.03 USDC\)/);
    });

    await t.step("that shows proofs of old over and over", async () => {
      const seen: Permit[] = [];
      const reply = (permit: Permit): Reply => {
        seen.push(permit);
        const { lane: id, credits: cumulative } = permit;
        return { accepts: [offerToJson({ ...offer, lane: { id, cumulative, proof: seen[0]! } })] };
      };
      const { permits } = await attack({ accepts: () => [credits], reply });
      assert.ok(worthOf(permits) <= 20_000n);
    });
  },
);

Deno.test(
  { name: "a stock client takes the scheme by its types", ignore },
  async () => {
    await using workplace = await openWorkplace();
    const { dir } = workplace;
    await Deno.writeTextFile(join(dir, "deno.json"), '{ "nodeModulesDir": "manual" }\n');
    await Deno.writeTextFile(
      join(dir, "typed.ts"),
      `import type { PaymentPolicy, x402Client } from "@x402/core/client";
import type { SchemeNetworkClient } from "@x402/core/types";
import type { CreditsScheme } from "@khachapuri/x402-credits";

export function register(client: x402Client, scheme: CreditsScheme): SchemeNetworkClient {
  const policy: PaymentPolicy = scheme.policy;
  client.register("eip155:*", scheme).registerPolicy(policy);
  return scheme;
}
`,
    );
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--quiet", "--no-lock", "typed.ts"],
      cwd: dir,
      env: { NO_COLOR: "1" },
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
  },
);
