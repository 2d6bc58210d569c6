import assert from "node:assert/strict";
import { resolve } from "node:path";
import { OPTIONS } from "./deploy_flags.ts";
import { filledFrom, flagsText, notedFlags } from "./flag_layers.ts";

const NOTHING = {
  provider: [],
  env: [],
  "env-name": [],
  "env-file": undefined,
  interface: undefined,
  "server-port": undefined,
  private: false,
  "accept-terms": false,
};

Deno.test("of a command line all is noted but what is secret, or said anew each time", () => {
  const noted = notedFlags(OPTIONS, {
    ...NOTHING,
    provider: ["a.eth"],
    env: ["TOKEN=hunter2=", "EMPTY="],
    "env-name": ["TOKEN", "OTHER"],
    "env-file": "env",
    private: true,
    "accept-terms": true,
  });
  assert.deepEqual(noted, {
    provider: ["a.eth"],
    "env-file": resolve("env"),
    "env-name": ["TOKEN", "OTHER", "EMPTY"],
    private: true,
  });
  assert.deepEqual(notedFlags(OPTIONS, NOTHING), {});
});

Deno.test("a file is noted by its whole path, and what is said in its place as it is", () => {
  const noted = (about: string) => notedFlags(OPTIONS, { ...NOTHING, about }).about;
  assert.equal(noted("about.json"), resolve("about.json"));
  assert.equal(noted('{"description":"x"}'), '{"description":"x"}');
});

Deno.test("what was given fills what is not given now, whole lists at a time", () => {
  const layer = { provider: ["a.eth", "b.eth"], private: true as const, "env-file": "/env" };
  assert.deepEqual(filledFrom(OPTIONS, NOTHING, layer), { ...NOTHING, ...layer });
  const given = { ...NOTHING, provider: ["c.eth"] };
  assert.deepEqual(filledFrom(OPTIONS, given, layer).provider, ["c.eth"]);
});

Deno.test("flags that this release does not know, or knows otherwise, are left out", () => {
  const layer = { gone: "1", private: "yes", provider: "a.eth", "env-file": true as const };
  assert.deepEqual(filledFrom(OPTIONS, { ...NOTHING, gone: undefined }, layer), {
    ...NOTHING,
    gone: undefined,
  });
});

Deno.test("another interface does without the flags of a server", () => {
  const layer = { interface: "http", "server-port": "3000" };
  const as = (kind?: string) => filledFrom(OPTIONS, { ...NOTHING, interface: kind }, layer);
  assert.equal(as()["server-port"], "3000");
  assert.equal(as("http")["server-port"], "3000");
  assert.equal(as("cgi")["server-port"], undefined);
});

Deno.test("flags are told as they would be typed, as far as they are new", () => {
  const before = { ...NOTHING, interface: "http" };
  const filled = { ...before, provider: ["a.eth", "-b"], private: true, "env-file": "/my env" };
  assert.equal(
    flagsText(OPTIONS, filled, before),
    "--provider a.eth --provider=-b --env-file '/my env' --private",
  );
  const shown = { ...before, about: '{"description":"x"}', cors: ["*"] };
  assert.equal(flagsText(OPTIONS, shown, before), "--about (its own) --cors '*'");
});
