/** A whole provider's parts on a chain in memory: that each stands on the others it should. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Hex } from "viem";
import { type AskedRequest, requestOf, responseOf } from "../../../worlds/answers.ts";
import { FAKE_ESCROW } from "../../../worlds/chain/fake_chain.ts";
import { ACCOUNTS } from "../../../worlds/chain/people.ts";
import { FAKE_USDC } from "../../../worlds/chain/served_chain.ts";
import { hearLog } from "../../../worlds/heard_log.ts";
import { openProviderHome, type ProviderHome, TERMS } from "../../../worlds/provider_home.ts";
import { probeSandbox } from "../../../sandbox/probe.ts";
import type { CidText } from "../../cid.ts";
import { EGRESS_LIMITS } from "../../egress.ts";
import { KEEP_FOREVER, KEEP_NOTHING } from "../../keep.ts";
import { SPEC_CREDITS_MAX } from "../../limits.ts";
import { encodePaymentHeader } from "../../payment_header.ts";
import { deploymentLane, type Permit, signPermit, UINT64_MAX } from "../../permit.ts";
import { receiptFromJson, recoverReceiptSigner } from "../../receipt.ts";
import { termsHash } from "../../spec/terms.ts";
import { sandboxHost } from "../program/sandbox_host.ts";
import { holderOf, LOCK_FILE } from "./lock.ts";
import { prepareSite } from "./prepare.ts";
import { createRoutes } from "./routes.ts";
import { openProvider } from "./wiring.ts";

/** Nothing settles by itself within a test. */
const BATCH = { settlement: { mode: "batch", intervalSeconds: 360 } };
const LANE: Hex = `0x${"1a".repeat(32)}`;
const { owner: OWNER, payer: PAYER, provider: PROVIDER, operator: OPERATOR } = ACCOUNTS;

async function open(home: ProviderHome, settings = {}) {
  const stack = new AsyncDisposableStack();
  const { log, ...heard } = hearLog();
  try {
    const config = home.config({ ...BATCH, ...settings });
    const { parts, current } = await openProvider(
      await prepareSite(config, { log, now: Date.now }),
      stack,
    );
    const routes = createRoutes(parts);
    return {
      ...heard,
      parts,
      current,
      ask: async (path: string, init?: AskedRequest) =>
        responseOf(await routes(requestOf(`https://provider.test/${path}`, init))),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** The header of a payer's permit. */
async function payment(
  { chain: { fake: { chain: { chainId } } } }: ProviderHome,
  payer = PAYER,
  changes: Partial<Permit> = {},
): Promise<Record<string, string>> {
  const domain = { chainId, escrow: FAKE_ESCROW };
  const permit = await signPermit(payer, domain, {
    payer: payer.address,
    provider: PROVIDER.address,
    lane: LANE,
    price: 1_000n,
    credits: 100n,
    deadline: UINT64_MAX,
    epoch: 0,
    ...changes,
  });
  const accepted = {
    chainId,
    escrow: FAKE_ESCROW,
    asset: FAKE_USDC,
    payTo: PROVIDER.address,
    pricePerCredit: 1_000n,
    maxTimeoutSeconds: 15,
    thawingPeriodSeconds: 3_600,
  };
  return { "payment-signature": encodePaymentHeader({ accepted, permit }) };
}

const modeOf = async (path: string) => (await Deno.stat(path)).mode! & 0o777;

Deno.test("a provider as it has opened", async (t) => {
  await using home = await openProviderHome();
  home.chain.fake.allow(OWNER.address, 1_000n, 10n);
  const { cid } = await home.deploy("echo hello");
  const sizes = { requestBytes: 1_000, responseBytes: 2_000 };
  const servers = { instances: 8, instanceIdleSeconds: 30 };
  await using provider = await open(home, {
    sandbox: { timeoutMs: 2_500, memoryMb: 64, ...servers, ...sizes },
  });

  await t.step(
    "a provider's books are its own, and programs may pass to their folders",
    async () => {
      const state = join(home.dir, "state");
      assert.equal(await modeOf(state), 0o711);
      assert.equal(await modeOf(join(state, "book")), 0o700);
      assert.equal(await modeOf(join(state, "book", "receipts.key")), 0o600);
    },
  );

  await t.step("what it offers is what its configuration, its keys and the chain say", () => {
    const { offering, terms, operator, seller } = provider.parts;
    const { chainId } = home.chain.fake.chain;
    assert.deepEqual(offering, {
      name: "provider.test",
      address: PROVIDER.address,
      webDomain: "https://provider.test",
      recipients: [home.recipient],
      termsHashes: [termsHash(TERMS)],
      keep: { price: KEEP_NOTHING, terms: KEEP_NOTHING },
      timeoutMs: 2_500,
      memoryMb: 64,
      credits: SPEC_CREDITS_MAX,
      ...sizes,
      ...servers,
      egress: { ...EGRESS_LIMITS, hosts: ["*:443"], log: false, connectTo: {} },
      names: { perUsdc: 10 },
      ipfs: home.config().provider!.ipfs,
      offer: {
        chainId,
        escrow: FAKE_ESCROW,
        asset: FAKE_USDC,
        payTo: PROVIDER.address,
        pricePerCredit: 1_000n,
        maxTimeoutSeconds: 3,
        thawingPeriodSeconds: 3_600,
      },
    });
    assert.equal(provider.parts.gate.requestBytes, sizes.requestBytes);
    assert.deepEqual(terms.get(termsHash(TERMS)), TERMS);
    assert.equal(operator, OPERATOR.address);
    const { address } = PROVIDER;
    assert.deepEqual(seller, { chainId, escrow: FAKE_ESCROW, provider: address, price: 1_000n });
  });

  await t.step("it relays deposits from a minimum on", () => {
    assert.equal(depositMinimumOf(provider), "1000000");
  });

  await t.step("it relays messages to its escrow, for its fee to its own address", async () => {
    const { chainId } = home.chain.fake.chain;
    assert.deepEqual(await provider.parts.money.messages.offer(), {
      chainId,
      escrow: FAKE_ESCROW,
      relayer: PROVIDER.address,
      fee: 10_000n,
      relays: ["Revoke", "BumpEpoch", "Reclaim", "Withdraw"],
    });
  });

  await t.step(
    "its log tells which limits the kernel does not enforce, and nothing when it does",
    async () => {
      const probe = await probeSandbox(await sandboxHost(home.config().provider!.sandbox));
      assert.ok(probe.ok);
      const told = provider.lines.map((line) => JSON.parse(line))
        .filter(({ message }) => message === "limits that the kernel does not enforce");
      const missing = probe.missing.length > 0 ? [probe.missing] : [];
      assert.deepEqual(told.map((line) => line.missing), missing);
      assert.ok(told.every(({ level }) => level === "warn"));
    },
  );

  await t.step("its figures are those of its ledger, its sandboxes and its runs", async () => {
    assert.equal(await (await provider.ask(cid)).text(), "hello\n");
    const { metricsFor } = provider.parts;
    provider.parts.metricsFor = { assertReader() {} };
    const text = await (await provider.ask("metrics")).text();
    provider.parts.metricsFor = metricsFor;
    assert.equal((await provider.ask("metrics")).status, 403, "who asks is not of this machine");
    const figures = Object.fromEntries(
      text.split("\n").filter((line) => /^[^#]/.test(line)).map((line) => line.split(" ")),
    );
    const expected = {
      'khachapuri_responses_total{status="200"}': "1",
      'khachapuri_runs_total{paid_by="owner",outcome="answered"}': "1",
      khachapuri_unsettled_usdc_base_units: "1000",
      khachapuri_unsettled_lanes: "1",
      khachapuri_refused_lanes: "0",
      khachapuri_charged_elsewhere_credits: "0",
      khachapuri_outbox_pending: "0",
      khachapuri_sandboxes_open: "1",
      khachapuri_runs_busy: "0",
      khachapuri_owners_low: "1",
    };
    for (const [name, value] of Object.entries(expected)) assert.equal(figures[name], value, name);
    assert.ok(Number(figures.khachapuri_chain_age_seconds) < 60);
  });

  await t.step("it is well while the chain can be reached", async () => {
    home.chain.answers.isUp = false;
    assert.equal(await provider.parts.health(), "the chain cannot be reached");
    home.chain.answers.isUp = true;
    assert.equal(await provider.parts.health(), null);
  });
});

/** As a 402 tells it. */
function depositMinimumOf({ parts }: Awaited<ReturnType<typeof open>>): unknown {
  const credits = parts.money.schemes.at(-1)!.offer();
  return (credits as unknown as { extra: Record<string, unknown> }).extra["depositMinimum"];
}

Deno.test("another price, other terms and what is kept are told and asked from when they are offered", async () => {
  await using home = await openProviderHome();
  const { cid } = await home.deploy("echo hello");
  await using provider = await open(home, { exact: { enabled: true, minimum: "500" } });
  provider.parts.programs.runtimes = () => Promise.resolve(null);
  const jsonAt = async (path: string) => await (await provider.ask(path)).json();
  const told = async () => {
    const { terms, keep, accepts } = await jsonAt("");
    const refused = await provider.ask(cid, {
      headers: await payment(home, PAYER, { price: 999n }),
    });
    const required = JSON.parse(atob(refused.headers.get("payment-required")!));
    const { price } = await jsonAt(`deployments/${cid}`);
    const text = await (await provider.ask("terms")).text();
    return {
      amounts: [...accepts, ...required.accepts].map(({ amount }) => amount),
      ...{ price, terms, keep, text, seller: provider.parts.seller.price },
    };
  };
  const before = await told();
  const document = provider.parts.openapi.current();
  assert.equal(before.amounts.length, 4);
  assert.deepEqual(new Set(before.amounts), new Set(["1000"]));
  const text = new TextEncoder().encode("other terms\n");
  provider.current.replace({
    price: 2_000n,
    keep: { price: KEEP_FOREVER, terms: KEEP_NOTHING },
    terms: new Map([[termsHash(text), text]]),
  });
  assert.deepEqual(await told(), {
    amounts: before.amounts.map(() => "2000"),
    price: "2000",
    terms: [termsHash(text)],
    keep: { price: "forever", terms: 0 },
    text: "other terms\n",
    seller: 2_000n,
  });
  assert.notEqual(provider.parts.openapi.current(), document, "it is made anew");
  const page = await (await provider.ask("", { headers: { accept: "text/html" } })).text();
  assert.ok(page.includes("0.002 USDC a credit"), page);
  assert.equal((await provider.ask(`terms?hash=${termsHash(TERMS)}`)).status, 404);
});

Deno.test("a provider that relays no deposits offers none", async () => {
  await using home = await openProviderHome();
  await using provider = await open(home, { onboarding: { enabled: false } });
  assert.equal(depositMinimumOf(provider), undefined);
});

Deno.test("what is due is settled as soon as it is enough", async () => {
  await using home = await openProviderHome();
  const { fake } = home.chain;
  fake.allow(OWNER.address, 1_000n, 10n);
  const { cid } = await home.deploy("echo hello");
  const sent = Promise.withResolvers<void>();
  const { intercept } = fake;
  fake.intercept = (request) => {
    if (request.method === "eth_sendRawTransaction") sent.resolve();
    return intercept!(request);
  };
  await using provider = await open(home, { settlement: { ...BATCH.settlement, amount: "1000" } });
  await (await provider.ask(cid)).text();
  await sent.promise;
});

Deno.test("an answer that is kept counts for nothing without its charge in the ledger", async () => {
  await using home = await openProviderHome();
  home.chain.fake.allow(PAYER.address, 1_000n, 10n);
  const { cid } = await home.deploy("echo ran");
  const headers = { ...await payment(home), "idempotency-key": "key" };
  {
    await using provider = await open(home);
    await (await provider.ask(cid, { headers })).text();
  }
  await Deno.remove(join(home.dir, "state", "book", "ledger.db"));
  await using provider = await open(home);
  const again = await provider.ask(cid, { headers });
  assert.equal(again.headers.get("idempotency-replayed"), null);
  await again.text();
});

Deno.test("a caller's key, its count, its receipt and its run outlive the process", async () => {
  await using home = await openProviderHome();
  home.chain.fake.allow(PAYER.address, 1_000n, 10n);
  const { cid } = await home.deploy("echo ran; cat");
  const post = async () => ({
    method: "POST",
    body: "data",
    headers: { ...await payment(home), "idempotency-key": "key" },
  });
  let receiptPath: string;
  {
    await using provider = await open(home);
    const first = await provider.ask(cid, await post());
    assert.equal(await first.text(), "ran\ndata");
    assert.equal(first.headers.get("khachapuri-credits-left"), "9");
    receiptPath = first.headers.get("khachapuri-receipt")!.slice(1);
  }
  await using provider = await open(home);
  const again = await provider.ask(cid, await post());
  assert.equal(again.headers.get("idempotency-replayed"), "true");
  assert.equal(await again.text(), "ran\ndata");
  assert.equal((await provider.parts.records.runLog.read(cid as CidText)).runs.length, 1);
  const lane = await provider.ask("lane", { headers: await payment(home) });
  assert.equal((await lane.json()).cumulative, "1");
  const receipt = receiptFromJson(await (await provider.ask(receiptPath)).json());
  assert.deepEqual([receipt.deployment, receipt.payer], [cid, PAYER.address]);
  assert.equal(await recoverReceiptSigner(receipt), OPERATOR.address);
});

Deno.test("a deployment's lane pays for no caller, also after a restart", async () => {
  await using home = await openProviderHome();
  home.chain.fake.allow(OWNER.address, 1_000n, 10n);
  const { cid, spec } = await home.deploy("echo hello");
  {
    await using provider = await open(home);
    await (await provider.ask(cid)).text();
  }
  await using provider = await open(home);
  const headers = await payment(home, OWNER, { lane: deploymentLane(spec.id) });
  const response = await provider.ask(cid, { headers });
  assert.equal(response.status, 402);
  assert.match((await response.json()).message, /a deployment's permit/);
});

Deno.test("a provider that starts tells of a change of the collector that is under way", async () => {
  await using home = await openProviderHome();
  const told = async () => {
    await using provider = await open(home);
    return provider.lines.map((line) => JSON.parse(line))
      .filter(({ message }) => message === "another collector is pending");
  };
  const { answers } = home.chain;
  const [current, next] = [OWNER.address, PAYER.address];
  answers.collector = { ...answers.collector, current };
  assert.deepEqual(await told(), []);
  answers.collector = { current, next, since: 5n };
  const [line] = await told();
  assert.deepEqual([line.level, line.collector, line.next, line.since], [
    "warn",
    current,
    next,
    "5",
  ]);
});

Deno.test("what was opened before something failed is closed again", async () => {
  await using home = await openProviderHome();
  const book = join(home.dir, "state", "book");
  await Deno.mkdir(join(book, "answers.db"), { recursive: true });
  await assert.rejects(open(home));
  assert.equal(await holderOf(join(book, LOCK_FILE)), null);
  await Deno.remove(join(book, "answers.db"));
  await using _ = await open(home);
});
