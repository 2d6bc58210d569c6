import assert from "node:assert/strict";
import { join } from "node:path";
import { keccak256, zeroAddress } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { formatCid } from "../cid.ts";
import { UINT128_MAX, UINT64_MAX } from "../permit.ts";
import { openSpec } from "../spec/envelope.ts";
import { generateIdentity, type IdentityKind, recipientOf } from "../spec/keys.ts";
import { verifySpec } from "../spec/signature.ts";
import {
  allowanceFault,
  chooseRecipients,
  deployTarget,
  sealDeployment,
  type SpecChoices,
} from "./deploy.ts";
import { packForDeployment } from "./packed_program.ts";

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
  egress: [],
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

Deno.test("a sealed deployment opens at each provider, verifies, and carries a wide permit", () =>
  inFolder(async (dir) => {
    const owner = newAccount();
    const [one, two] = [await provider("pq"), await provider("pq", { price: 5n })];
    const targets = [deployTarget(one.record, at, 2_000n), deployTarget(two.record, at, null)];
    const program = await packForDeployment(dir, true, { entrypoint: "./main", env: {} });
    const signing = targets.map((target, epoch) => ({ ...target, epoch }));
    const sealed = await sealDeployment(owner, program, signing, choices);
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
    assert.deepEqual(spec.providers.map(({ permit }) => permit.epoch), [0, 1]);
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
    epoch: 0,
    epochEnd: 0n,
  };
  assert.equal(allowanceFault(good, owner, 5n), null);
  assert.equal(allowanceFault({ ...good, signer: owner }, owner, 5n), null);
  assert.equal(allowanceFault({ ...good, thawingCredits: 10n }, owner, 5n), "no credits");
  assert.equal(allowanceFault(good, owner, 6n), "price too low");
  const pinned = { ...good, signer: newAccount().address };
  assert.equal(allowanceFault(pinned, owner, 5n), "another signer");
});
