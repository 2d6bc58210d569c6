import assert from "node:assert/strict";
import { Decrypter, Encrypter, generateHybridIdentity, identityToRecipient } from "age-encryption";
import { breathe } from "../slices.ts";
import { HybridIdentity } from "./hybrid_identity.ts";

const MESSAGE = "meet me where the cheese is";

async function sealed(identities: readonly string[]): Promise<Uint8Array> {
  const encrypter = new Encrypter();
  for (const identity of identities) encrypter.addRecipient(await identityToRecipient(identity));
  return await encrypter.encrypt(MESSAGE);
}

function opened(file: Uint8Array, identity: string): Promise<string> {
  const decrypter = new Decrypter();
  decrypter.addIdentity(new HybridIdentity(identity));
  return decrypter.decrypt(file, "text");
}

/** 16 of them, as a spec may name. */
function many(): Promise<string[]> {
  return Promise.all(Array.from({ length: 16 }, () => generateHybridIdentity()));
}

Deno.test("what age seals opens with each identity that it was sealed to, and with no other", async () => {
  const identities = await many();
  const file = await sealed(identities);
  for (const identity of identities) assert.equal(await opened(file, identity), MESSAGE);
  await assert.rejects(opened(file, await generateHybridIdentity()), /no identity matched/);
});

Deno.test("stanzas that are none of age's end in an error, never in a wrong key", async () => {
  const identity = await generateHybridIdentity();
  const own = new HybridIdentity(identity);
  const [kind, share, body] = ["mlkem768x25519", "A".repeat(1_494), new Uint8Array(32)];
  const stanza = (args: string[], bytes = body) => [{ args, body: bytes }];
  assert.equal(await own.unwrapFileKey(stanza(["X25519", "AAAA"])), null);
  for (const args of [[kind], [kind, "AAAA"], [kind, "*"], [kind, share, "x"]]) {
    await assert.rejects(own.unwrapFileKey(stanza(args)), String(args).slice(0, 40));
  }
  await assert.rejects(own.unwrapFileKey(stanza([kind, share], new Uint8Array(31))));
});

Deno.test("the event loop turns between any two of sixteen stanzas that are not for us", async () => {
  const file = await sealed(await many());
  const identity = await generateHybridIdentity();
  const open = () => opened(file, identity).catch(() => {});
  await open();
  let [turns, isOver] = [0, false];
  const counting = (async () => {
    for (; !isOver; turns++) await breathe();
  })();
  for (let file = 0; file < 10; file++) await open();
  isOver = true;
  await counting;
  assert.ok(turns > 10 * 16, `the event loop turned ${turns} times`);
});
