import assert from "node:assert/strict";
import { join } from "node:path";
import { keccak256, zeroAddress } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { formatCid } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import type { Dag } from "../ipfs/dag.ts";
import { UINT128_MAX, UINT64_MAX } from "../permit.ts";
import { openSpec } from "../spec/envelope.ts";
import { generateIdentity, type IdentityKind, recipientOf } from "../spec/keys.ts";
import { decryptProgram } from "../spec/private_program.ts";
import { verifySpec } from "../spec/signature.ts";
import { readZip } from "../spec/zip_reader.ts";
import {
  allowanceFault,
  chooseRecipients,
  deployTarget,
  packForDeployment,
  publishDeployment,
  sealDeployment,
  type SpecChoices,
} from "./deploy.ts";
import {
  addDeployment,
  noteStopped,
  readDeployments,
  requireDeployment,
} from "./deployments_file.ts";
import { fetchTerms } from "./provider_terms.ts";
import { stopAt } from "./stop.ts";

const newAccount = () => privateKeyToAccount(generatePrivateKey());
const text = (value: string) => new TextEncoder().encode(value);
const escrow = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
const at = { chainId: 31_337, escrow } as const;
const TERMS = text("Be kind.\n");

const choices: SpecChoices = {
  entrypoint: "./main",
  args: [],
  interface: "curl",
  env: { TOKEN: "secret" },
  access: "public",
  limits: { timeoutMs: 1_000, memoryMb: 64, concurrency: 1, ownerCreditsPerMinute: 10 },
};

async function provider(kind: IdentityKind, fields: Record<string, unknown> = {}) {
  const identity = await generateIdentity(kind);
  const record = {
    name: "paolo.test",
    node: `0x${"00".repeat(32)}` as const,
    resolver: escrow,
    address: newAccount().address,
    webDomain: "https://paolo.test",
    recipients: [await recipientOf(identity)],
    price: 1_000n,
    terms: keccak256(TERMS),
    escrow: null,
    ...fields,
  } as Parameters<typeof deployTarget>[0];
  return { identity, record };
}

async function inFolder(test: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(dir, "main"), "#!/bin/sh\necho hi\n", { mode: 0o755 });
    await test(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("the same program gives the same cid, a private one never", () =>
  inFolder(async (dir) => {
    const [one, two] = [await packForDeployment(dir, false), await packForDeployment(dir, false)];
    assert.equal(one.cid, two.cid);
    assert.equal(one.key, undefined);
    const [three, four] = [await packForDeployment(dir, true), await packForDeployment(dir, true)];
    assert.notEqual(three.cid, four.cid);
    const zip = decryptProgram(three.dag.blocks[0]!.bytes, three.key!);
    assert.deepEqual(readZip(zip as Uint8Array<ArrayBuffer>).map(({ path }) => path), ["main"]);
  }));

Deno.test("a sealed deployment opens at each provider, verifies, and carries a wide permit", () =>
  inFolder(async (dir) => {
    const owner = newAccount();
    const [one, two] = [await provider("pq"), await provider("pq", { price: 5n })];
    const targets = [deployTarget(one.record, at, 2_000n), deployTarget(two.record, at, null)];
    const program = await packForDeployment(dir, true);
    const sealed = await sealDeployment(owner, program, targets, choices);
    for (const { identity } of [one, two]) {
      const spec = await openSpec(sealed.dag.blocks[0]!.bytes, [identity]);
      await verifySpec(spec!);
      assert.deepEqual(spec, sealed.spec);
    }
    const { spec } = sealed;
    assert.deepEqual(spec.program, {
      cid: program.cid,
      key: program.key,
      entrypoint: "./main",
      args: [],
    });
    assert.deepEqual(spec.env, { TOKEN: "secret" });
    assert.deepEqual(spec.providers.map(({ permit }) => permit.price), [2_000n, 5n]);
    for (const { permit, terms } of spec.providers) {
      assert.equal(permit.credits, UINT128_MAX);
      assert.equal(permit.deadline, UINT64_MAX);
      assert.equal(permit.payer, owner.address);
      assert.equal(terms, keccak256(TERMS));
    }
    assert.equal(sealed.cid, formatCid(sealed.dag.root));
  }));

Deno.test("a provider that charges more than the cap, or has no terms, is no target", async () => {
  const { record } = await provider("pq");
  assert.throws(() => deployTarget(record, at, 999n), { code: "payment_required" });
  assert.throws(() => deployTarget({ ...record, terms: null }, at, null), {
    code: "terms_refused",
  });
});

Deno.test("recipients are all post-quantum, or all X25519, or there is no deployment", async () => {
  const [pq, x25519] = [await provider("pq"), await provider("x25519")];
  const both = await provider("pq", {
    recipients: [...pq.record.recipients, ...x25519.record.recipients],
  });
  assert.deepEqual(chooseRecipients([both.record]), pq.record.recipients);
  assert.deepEqual(chooseRecipients([both.record, x25519.record]), [
    ...x25519.record.recipients,
    ...x25519.record.recipients,
  ]);
  assert.throws(() => chooseRecipients([pq.record, x25519.record]), { code: "invalid_input" });
});

Deno.test("why the owner can't be charged is told apart", () => {
  const owner = newAccount().address;
  const good = {
    credits: 10n,
    thawingCredits: 9n,
    thawEnd: 0n,
    pricePerCredit: 5n,
    signer: zeroAddress,
  };
  assert.equal(allowanceFault(good, owner, 5n), null);
  assert.equal(allowanceFault({ ...good, signer: owner }, owner, 5n), null);
  assert.equal(allowanceFault({ ...good, thawingCredits: 10n }, owner, 5n), "no credits");
  assert.equal(allowanceFault(good, owner, 6n), "price too low");
  const pinned = { ...good, signer: newAccount().address };
  assert.equal(allowanceFault(pinned, owner, 5n), "another signer");
});

const dagOf = (root: string) => ({ dag: { root, blocks: [] } as unknown as Dag, size: 7 });

/** Publishes into a list; the gateway finds content at the given attempt. */
function publication(foundAt: number, code: "not_found" | "ipfs_mismatch" = "not_found") {
  const events: string[] = [];
  let reads = 0;
  return {
    events,
    publish: (dag: Dag) => Promise.resolve(void events.push(`publish ${dag.root}`)),
    read: (cid: unknown) => {
      events.push(`read ${cid}`);
      if (++reads < foundAt) return Promise.reject(new KhachapuriError(code, "no"));
      return Promise.resolve(new Uint8Array(7));
    },
    wait: (ms: number) => Promise.resolve(void events.push(`wait ${ms}`)),
  };
}

Deno.test("publishing waits for gateways that need a moment", async () => {
  const slow = publication(3);
  await publishDeployment(slow, dagOf("program"), dagOf("spec"));
  assert.deepEqual(slow.events, [
    "publish program",
    "publish spec",
    "read program",
    "wait 500",
    "read program",
    "wait 2000",
    "read program",
    "read spec",
  ]);
});

Deno.test("publishing fails when the content never comes, and at once when a gateway lies", async () => {
  const never = publication(99);
  const publishing = publishDeployment(never, dagOf("program"), dagOf("spec"));
  await assert.rejects(publishing, { code: "not_found" });
  const lying = publication(99, "ipfs_mismatch");
  const other = publishDeployment(lying, dagOf("program"), dagOf("spec"));
  await assert.rejects(other, { code: "ipfs_mismatch" });
  assert.deepEqual(lying.events, ["publish program", "publish spec", "read program"]);
});

Deno.test("where no gateway is configured, nothing is read back", async () => {
  const { events, ...rest } = publication(1);
  await publishDeployment({ ...rest, read: null }, dagOf("program"), dagOf("spec"));
  assert.deepEqual(events, ["publish program", "publish spec"]);
});

/** A provider's HTTP side that answers everything alike. */
function answering(body: BodyInit, init: ResponseInit = {}) {
  const asked: { url: string; body: unknown }[] = [];
  const answer = ((url: string, request: RequestInit) => {
    asked.push({ url, body: request.body ? JSON.parse(String(request.body)) : null });
    return Promise.resolve(new Response(body, init));
  }) as typeof fetch;
  return { asked, fetch: answer };
}

Deno.test("terms are asked for by the hash that the name pins", async () => {
  const { record } = await provider("pq");
  const { terms } = deployTarget(record, at, null).record;
  const { asked, fetch } = answering(TERMS);
  assert.equal(await fetchTerms({ ...record, terms }, { fetch }), "Be kind.\n");
  assert.deepEqual(asked.map(({ url }) => url), [`https://paolo.test/terms?hash=${terms}`]);
});

Deno.test("other terms than the name pins, endless ones and a dead provider are refused", async () => {
  const record = { name: "paolo.test", webDomain: "https://paolo.test", terms: keccak256(TERMS) };
  const refuses = (fetch: unknown, code: string) =>
    assert.rejects(fetchTerms(record, { fetch: fetch as typeof globalThis.fetch }), { code });
  await refuses(answering("Be cruel.").fetch, "terms_refused");
  await refuses(answering(new Uint8Array(300_000)).fetch, "provider_unavailable");
  await refuses(answering("no", { status: 500 }).fetch, "provider_unavailable");
  await refuses(() => Promise.reject(new TypeError("refused")), "provider_unavailable");
});

Deno.test("terms can't drive the terminal", async () => {
  const evil = text("Be \x1b[2Jkind\u202e.\n");
  const record = { name: "paolo.test", webDomain: "https://paolo.test", terms: keccak256(evil) };
  assert.equal(await fetchTerms(record, { fetch: answering(evil).fetch }), "Be [2Jkind.\n");
});

const ownDeployment = (owner = newAccount().address) => ({
  cid: "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
  id: `0x${"12".repeat(32)}` as const,
  owner,
  program: { cid: "bafy", private: false },
  createdAt: "2026-01-01T00:00:00.000Z",
  providers: [{
    name: "paolo.test",
    address: newAccount().address,
    ...at,
    webDomain: "https://paolo.test",
    price: 1_000n,
  }],
});

Deno.test("the book keeps deployments and stops, also when written at the same time", () =>
  inFolder(async (home) => {
    const one = ownDeployment();
    const others = Array.from({ length: 5 }, (_, n) => ({ ...ownDeployment(), cid: `cid${n}` }));
    await Promise.all([one, ...others].map((each) => addDeployment(home, each)));
    assert.equal((await readDeployments(home)).length, 6);
    await noteStopped(home, one.cid, "paolo.test", "2026-01-02T00:00:00.000Z");
    const { providers, ...rest } = await requireDeployment(home, one.cid);
    const { providers: before, ...expected } = one;
    assert.deepEqual(rest, expected);
    assert.deepEqual(providers, [{ ...before[0], stoppedAt: "2026-01-02T00:00:00.000Z" }]);
    await assert.rejects(requireDeployment(home, "other"), { code: "not_found" });
    assert.equal((await Deno.stat(join(home, "deployments.json"))).mode! & 0o777, 0o600);
  }));

Deno.test("an empty home has an empty book, a damaged book is not taken for one", () =>
  inFolder(async (home) => {
    assert.deepEqual(await readDeployments(home), []);
    await Deno.writeTextFile(join(home, "deployments.json"), "{");
    await assert.rejects(readDeployments(home), { code: "invalid_config" });
  }));

Deno.test("a stop is signed for the provider, and only the owner can give it", async () => {
  const owner = newAccount();
  const deployment = ownDeployment(owner.address);
  const [first] = deployment.providers;
  const { asked, fetch } = answering("{}");
  await stopAt(owner, deployment, first!, "https://moved.test", { fetch });
  assert.equal(asked[0]!.url, "https://moved.test/stop");
  assert.equal((asked[0]!.body as { cid: string }).cid, deployment.cid);
  const stranger = stopAt(newAccount(), deployment, first!, "https://paolo.test", { fetch });
  await assert.rejects(stranger, { code: "access_denied" });
});

Deno.test("a provider's refusal keeps its code and message", async () => {
  const owner = newAccount();
  const refusal = JSON.stringify({ error: "access_denied", message: "not \x1bthe owner" });
  const { fetch } = answering(refusal, { status: 403 });
  const deployment = ownDeployment(owner.address);
  const stopping = stopAt(owner, deployment, deployment.providers[0]!, "https://p.test", { fetch });
  await assert.rejects(stopping, {
    code: "access_denied",
    message: "https://p.test: not the owner",
  });
});
