import assert from "node:assert/strict";
import canonicalize from "canonicalize";
import {
  concat,
  encodeAbiParameters,
  hashTypedData,
  keccak256,
  stringToBytes,
  stringToHex,
} from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { deploymentLane, signPermit } from "../permit.ts";
import { sampleSpec, sampleUnsigned } from "../../worlds/spec/sample_spec.ts";
import { parseSpec, parseUnsignedSpec, type Spec, specToJson } from "./schema.ts";
import { deploymentTypedData, signSpec, specHash, verifySpec } from "./signature.ts";
import { isStopSigned, parseStopRequest, signStop } from "./stop.ts";

const newAccount = () => privateKeyToAccount(generatePrivateKey());
const refuses = (spec: Spec, message: RegExp) =>
  assert.rejects(verifySpec(spec), { code: "invalid_signature", message });

Deno.test("RFC 8785: the example of section 3.2.2", () => {
  const input = {
    numbers: [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    string: "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
    literals: [null, true, false],
  };
  assert.equal(
    canonicalize(input),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
      '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
});

Deno.test("RFC 8785: the key order of section 3.2.3", () => {
  const input = {
    "\u20ac": "Euro Sign",
    "\r": "Carriage Return",
    "\ufb33": "Hebrew Letter Dalet With Dagesh",
    "1": "One",
    "\ud83d\ude00": "Emoji: Grinning Face",
    "\u0080": "Control",
    "\u00f6": "Latin Small Letter O With Diaeresis",
  };
  const values = [...canonicalize(input)!.matchAll(/:"([^"]*)"/g)].map((match) => match[1]);
  assert.deepEqual(values, [
    "Carriage Return",
    "One",
    "Control",
    "Latin Small Letter O With Diaeresis",
    "Euro Sign",
    "Emoji: Grinning Face",
    "Hebrew Letter Dalet With Dagesh",
  ]);
});

Deno.test("the digest is EIP-712's, put together by hand", async () => {
  const spec = await sampleSpec();
  const hash = (text: string) => keccak256(stringToHex(text));
  const domain = keccak256(encodeAbiParameters(
    [{ type: "bytes32" }, { type: "bytes32" }, { type: "bytes32" }],
    [hash("EIP712Domain(string name,string version)"), hash("Khachapuri Deployment"), hash("1")],
  ));
  const type = "Deployment(bytes32 id,address owner,bytes32 specHash,bytes32[] terms)";
  const struct = keccak256(encodeAbiParameters(
    [
      { type: "bytes32" },
      { type: "bytes32" },
      { type: "address" },
      { type: "bytes32" },
      { type: "bytes32" },
    ],
    [
      hash(type),
      spec.id,
      spec.owner,
      specHash(spec),
      keccak256(concat(spec.providers.map((entry) => entry.terms))),
    ],
  ));
  const digest = keccak256(concat(["0x1901", domain, struct]));
  assert.equal(hashTypedData(deploymentTypedData(spec)), digest);
});

Deno.test("the spec hash is that of the published JSON without its signature", async () => {
  const { signature: _, ...json } = specToJson(await sampleSpec());
  const spec = parseSpec({ ...json, signature: `0x${"00".repeat(65)}` });
  assert.equal(specHash(spec), keccak256(stringToBytes(canonicalize(json)!)));
});

Deno.test("what a spec may leave out changes no hash of one that leaves it out", () => {
  const bytes = (byte: string, count: number) => `0x${byte.repeat(count)}`;
  const [owner, address] = [bytes("11", 20), bytes("22", 20)];
  const json = {
    version: 1,
    id: bytes("01", 32),
    program: {
      cid: "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
      entrypoint: "./main",
      args: [],
    },
    interface: "curl",
    env: { API_KEY: "s3cr3t" },
    limits: { timeoutMs: 15_000, memoryMb: 256, concurrency: 8, ownerCreditsPerMinute: 600 },
    egress: [],
    access: "public",
    owner,
    providers: [{
      address,
      chainId: 8453,
      escrow: bytes("33", 20),
      terms: bytes("44", 32),
      permit: {
        payer: owner,
        provider: address,
        lane: bytes("55", 32),
        price: "1000",
        credits: "5",
        deadline: "7",
        epoch: "0",
        signature: bytes("66", 65),
      },
    }],
  };
  // As the release before `about` and `cors` made it.
  const before = "0x1d3614f65976f5235a3e2996653134673f5663dbc85a1d7e5570db3aed849170";
  assert.equal(specHash(parseUnsignedSpec(json)), before);
  for (const field of [{ about: { description: "x" } }, { cors: { origins: "*" } }]) {
    assert.notEqual(specHash(parseUnsignedSpec({ ...json, ...field })), before, "it is signed");
  }
});

Deno.test("a signed spec verifies after a trip through JSON", async () => {
  const spec = await sampleSpec();
  await verifySpec(parseSpec(JSON.parse(JSON.stringify(specToJson(spec)))));
});

Deno.test("any change after signing is noticed", async () => {
  const spec = await sampleSpec();
  const changes: Partial<Spec>[] = [
    { env: { API_KEY: "other" } },
    { access: "payer" },
    { limits: { ...spec.limits, ownerCreditsPerMinute: 601 } },
    { program: { ...spec.program, args: ["-x"] } },
    { owner: newAccount().address },
    { id: `0x${"22".repeat(32)}` },
    { providers: [{ ...spec.providers[0]!, terms: `0x${"22".repeat(32)}` }] },
  ];
  for (const change of changes) {
    await refuses({ ...spec, ...change }, /did not sign/);
  }
});

Deno.test("a signature in another encoding is refused", async () => {
  const spec = await sampleSpec();
  const n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const s = (n - BigInt(`0x${spec.signature.slice(66, 130)}`)).toString(16).padStart(64, "0");
  const v = spec.signature.endsWith("1b") ? "1c" : "1b";
  const highS = `${spec.signature.slice(0, 66)}${s}${v}` as `0x${string}`;
  const low = spec.signature.endsWith("1b") ? "00" : "01";
  const lowV = `${spec.signature.slice(0, 130)}${low}` as `0x${string}`;
  await refuses({ ...spec, signature: highS }, /did not sign/);
  await refuses({ ...spec, signature: lowV }, /did not sign/);
  await refuses({ ...spec, signature: `0x${"00".repeat(64)}1b` }, /did not sign/);
});

Deno.test("only the owner can sign", async () => {
  const { spec } = await sampleUnsigned();
  await assert.rejects(signSpec(spec, newAccount()), { code: "invalid_signature" });
});

Deno.test("a permit that is not the owner's own for this deployment is refused", async () => {
  const { spec: unsigned, owner } = await sampleUnsigned();
  const entry = unsigned.providers[0]!;
  const { signature: _, ...terms } = entry.permit;
  const stranger = newAccount();
  const withPermit = async (fields: Partial<typeof terms>) =>
    signSpec({
      ...unsigned,
      providers: [{ ...entry, permit: await signPermit(owner, entry, { ...terms, ...fields }) }],
    }, owner);
  await refuses(await withPermit({ payer: stranger.address }), /payer is not the owner/);
  await refuses(await withPermit({ provider: stranger.address }), /another provider/);
  const lane = deploymentLane(`0x${"33".repeat(32)}`);
  await refuses(await withPermit({ lane }), /another lane/);
  const garbage = { ...entry.permit, signature: `0x${"ff".repeat(65)}` as const };
  const spec = await signSpec({ ...unsigned, providers: [{ ...entry, permit: garbage }] }, owner);
  await refuses(spec, /no signature/);
});

Deno.test("a stop is the owner's, for one deployment at one provider, chain and escrow", async () => {
  const owner = newAccount();
  const at = { chainId: 8_453, escrow: newAccount().address };
  const stop = { id: `0x${"44".repeat(32)}`, provider: newAccount().address, ...at } as const;
  const signature = await signStop(owner, stop);
  assert.equal(await isStopSigned(stop, signature, owner.address), true);
  assert.equal(await isStopSigned(stop, signature, stop.provider), false);
  const { address } = newAccount();
  for (const elsewhere of [{ provider: address }, { chainId: 1 }, { escrow: address }]) {
    assert.equal(await isStopSigned({ ...stop, ...elsewhere }, signature, owner.address), false);
  }
  const other = { ...stop, id: `0x${"45".repeat(32)}` } as const;
  assert.equal(await isStopSigned(other, signature, owner.address), false);
  assert.equal(await isStopSigned(stop, `0x${"00".repeat(65)}`, owner.address), false);
});

Deno.test("a stop request is checked before anything else", () => {
  const cid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
  const signature = `0x${"ab".repeat(65)}`;
  assert.deepEqual(parseStopRequest({ cid, signature }), { cid, signature });
  assert.throws(() => parseStopRequest({ cid: "x", signature }), { code: "invalid_cid" });
  assert.throws(() => parseStopRequest({ cid }), { code: "invalid_input" });
  assert.throws(() => parseStopRequest({ cid, signature: "0x12" }), { code: "invalid_input" });
  assert.throws(() => parseStopRequest({ cid, signature, more: 1 }), { code: "invalid_input" });
});
