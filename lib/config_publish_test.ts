import assert from "node:assert/strict";
import { parseConfig } from "./config.ts";

const parse = (publish: unknown) => parseConfig({ publish }, "/home").publish;

Deno.test("places to publish to are listed by their kind", () => {
  const entries = [
    { kind: "kubo", url: "http://127.0.0.1:5001" },
    { kind: "kubo", url: "https://kubo.example", token: "t" },
    { kind: "pinata", jwtFile: "pinata.jwt" },
    { kind: "pinning", url: "https://pins.example", tokenFile: "/secrets/pins" },
  ];
  assert.deepEqual(parse(entries), entries);
  assert.deepEqual(parseConfig({}, "/home").publish, []);
});

Deno.test("what is no such place is refused by name, and no token stands in the file itself", () => {
  const refused: [unknown, RegExp][] = [
    [{ kind: "ipfs" }, /publish\.0\.kind: not one of "kubo", "pinata" and "pinning"/],
    [{ kind: "kubo" }, /publish\.0\.url/],
    [{ kind: "pinata", jwt: "secret" }, /publish\.0\.jwt/],
    [{ kind: "pinning", url: "https://pins.example" }, /publish\.0\.tokenFile/],
    [{ kind: "pinning", url: "pins.example", tokenFile: "t" }, /publish\.0\.url/],
    [{ kind: "pinata", jwtFile: "" }, /publish\.0\.jwtFile: no file is named/],
  ];
  for (const [entry, message] of refused) {
    assert.throws(() => parse([entry]), { code: "invalid_config", message });
  }
});
