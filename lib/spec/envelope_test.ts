import assert from "node:assert/strict";
import { Decrypter, Encrypter } from "age-encryption";
import { SPEC_BYTES_MAX } from "../limits.ts";
import { openSpec, recipientKind, sealSpec } from "./envelope.ts";
import { generateIdentity, type IdentityKind, recipientOf } from "./keys.ts";
import { sampleSpec } from "../../worlds/spec/sample_spec.ts";
import { specToJson } from "./schema.ts";
import { verifySpec } from "./signature.ts";

async function keyPair(kind: IdentityKind) {
  const identity = await generateIdentity(kind);
  return { identity, recipient: await recipientOf(identity) };
}

async function sealRaw(plain: string | Uint8Array, recipients: string[]): Promise<Uint8Array> {
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  return await encrypter.encrypt(plain);
}

const opens = (bytes: Uint8Array, identities: string[]) => openSpec(bytes, identities);
const refuses = (bytes: Uint8Array, identities: string[], message: RegExp) =>
  assert.rejects(opens(bytes, identities), { code: "invalid_spec", message });

for (const kind of ["pq", "x25519"] as const) {
  Deno.test(`a spec sealed to two ${kind} recipients opens for each and for nobody else`, async () => {
    const [one, two, other] = await Promise.all([kind, kind, kind].map(keyPair));
    const spec = await sampleSpec();
    const sealed = await sealSpec(spec, [one!.recipient, two!.recipient]);
    for (const { identity } of [one!, two!]) {
      const opened = await opens(sealed, [other!.identity, identity]);
      assert.deepEqual(opened, spec);
      await verifySpec(opened!);
    }
    assert.equal(await opens(sealed, [other!.identity]), null);
    assert.equal(await opens(sealed, []), null);
    const stranger = await keyPair(kind === "pq" ? "x25519" : "pq");
    assert.equal(await opens(sealed, [stranger.identity]), null);
  });
}

Deno.test("the ciphertext shows nothing of the spec", async () => {
  const spec = await sampleSpec({ fields: { env: { TOKEN: "very-visible-secret" } } });
  const text = new TextDecoder("latin1").decode(
    await sealSpec(spec, [(await keyPair("pq")).recipient]),
  );
  for (const word of ["very-visible-secret", "TOKEN", spec.program.cid, spec.owner]) {
    assert(!text.includes(word));
  }
});

Deno.test("kinds of recipients never mix, whether sealing or opening", async () => {
  const [pq, x25519] = [await keyPair("pq"), await keyPair("x25519")];
  const spec = await sampleSpec();
  const mixed = [pq.recipient, x25519.recipient];
  await assert.rejects(sealSpec(spec, mixed), { code: "invalid_input", message: /never mix/ });
  const foreign = await sealRaw(JSON.stringify(specToJson(spec)), mixed);
  await refuses(foreign, [pq.identity, x25519.identity], /mixes/);
});

Deno.test("what is no recipient is refused", async () => {
  const spec = await sampleSpec();
  const { recipient } = await keyPair("x25519");
  const wrongChecksum = recipient.slice(0, -1) + (recipient.endsWith("q") ? "p" : "q");
  for (const bad of ["", "age1", "age1tag1qqqq", recipient.toUpperCase(), wrongChecksum]) {
    await assert.rejects(sealSpec(spec, [bad]), { code: "invalid_input" });
  }
  await assert.rejects(sealSpec(spec, []), { code: "invalid_input" });
  assert.equal(recipientKind(recipient), "x25519");
  assert.equal(recipientKind((await keyPair("pq")).recipient), "pq");
});

Deno.test("an envelope larger than the bound is neither made nor opened", async () => {
  const { identity, recipient } = await keyPair("x25519");
  const spec = await sampleSpec({ fields: { env: { BIG: "x".repeat(SPEC_BYTES_MAX) } } });
  await assert.rejects(sealSpec(spec, [recipient]), { code: "invalid_spec", message: /at most/ });
  const foreign = await sealRaw(JSON.stringify(specToJson(spec)), [recipient]);
  await refuses(foreign, [identity], /larger than/);
});

Deno.test("every single damaged byte is noticed", async () => {
  const { identity, recipient } = await keyPair("x25519");
  const sealed = await sealSpec(await sampleSpec(), [recipient]);
  for (let at = 0; at < sealed.length; at += 17) {
    const damaged = sealed.slice();
    damaged[at]! ^= 1;
    const opened = await opens(damaged, [identity]).catch((error) => error.code);
    // Damage in a stanza can also make the file look like somebody else's.
    assert(opened === "invalid_spec" || opened === null, `byte ${at}: ${opened}`);
  }
  for (const length of [0, 1, 22, 100, sealed.length - 1]) {
    await refuses(sealed.subarray(0, length), [identity], /not an age file|damaged/);
  }
});

Deno.test("what is inside must be a spec", async () => {
  const { identity, recipient } = await keyPair("x25519");
  const inside = async (plain: string | Uint8Array, message: RegExp) =>
    await refuses(await sealRaw(plain, [recipient]), [identity], message);
  await inside("hello", /not valid JSON/);
  await inside("{}", /spec/);
  await inside(Uint8Array.of(0xff, 0xfe), /no text/);
});

Deno.test("a hostile header can't make us try keys without end", async () => {
  const { identity } = await keyPair("x25519");
  const recipients = await Promise.all(
    Array.from({ length: 17 }, async () => (await keyPair("x25519")).recipient),
  );
  await refuses(await sealRaw("{}", recipients), [identity], /more than 16 recipients/);
});

Deno.test("passphrase envelopes and unknown kinds are refused", async () => {
  const encrypter = new Encrypter();
  encrypter.setPassphrase("khachapuri");
  encrypter.setScryptWorkFactor(1);
  const { identity } = await keyPair("x25519");
  await refuses(await encrypter.encrypt("{}"), [identity], /no recipient of a known kind/);
});

Deno.test("Debian's age opens an X25519 spec, and we open one of age's", async () => {
  const { identity, recipient } = await keyPair("x25519");
  const spec = await sampleSpec();
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${dir}/identity`, `${identity}\n`);
    await Deno.writeFile(`${dir}/sealed`, await sealSpec(spec, [recipient]));
    const age = async (...args: string[]) => {
      const output = await new Deno.Command("age", { args, cwd: dir }).output();
      assert.equal(output.code, 0, new TextDecoder().decode(output.stderr));
      return output.stdout;
    };
    const plain = await age("-d", "-i", "identity", "sealed");
    assert.deepEqual(JSON.parse(new TextDecoder().decode(plain)), specToJson(spec));
    await Deno.writeFile(`${dir}/plain`, plain);
    assert.deepEqual(await opens(await age("-r", recipient, "plain"), [identity]), spec);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("an envelope of ours is plain age: the library opens it unaided", async () => {
  const { identity, recipient } = await keyPair("pq");
  const spec = await sampleSpec();
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  const text = await decrypter.decrypt(await sealSpec(spec, [recipient]), "text");
  assert.deepEqual(JSON.parse(text), specToJson(spec));
});
