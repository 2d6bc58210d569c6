import assert from "node:assert/strict";
import { KhachapuriError } from "../errors.ts";
import { parseSpec, specEntryFor, specToJson } from "./schema.ts";
import { sampleSpec } from "../../worlds/spec/sample_spec.ts";

// deno-lint-ignore no-explicit-any -- tests reach into JSON by path
type Json = any;

const spec = await sampleSpec();

function refuses(change: (json: Json) => void, message: RegExp): void {
  const json = structuredClone(specToJson(spec)) as Json;
  change(json);
  assert.throws(() => parseSpec(json), (error) => {
    assert(error instanceof KhachapuriError);
    assert.equal(error.code, "invalid_spec");
    assert.match(error.message, message);
    return true;
  });
}

Deno.test("a spec survives its JSON form", () => {
  assert.deepEqual(parseSpec(JSON.parse(JSON.stringify(specToJson(spec)))), spec);
});

Deno.test("addresses, hex and cids are read in any spelling and come back in one", () => {
  const json = structuredClone(specToJson(spec)) as Json;
  json.owner = json.owner.toLowerCase();
  json.id = json.id.toUpperCase().replace("0X", "0x");
  json.program.cid = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG";
  const parsed = parseSpec(json);
  assert.equal(parsed.owner, spec.owner);
  assert.equal(parsed.id, spec.id);
  assert.match(parsed.program.cid, /^bafybei/);
});

Deno.test("unknown fields are refused on every level", () => {
  for (const name of ["extra", "constructor", "toString"]) {
    refuses((json) => json[name] = 1, new RegExp(name));
    refuses((json) => json.program[name] = 1, new RegExp(name));
    refuses((json) => json.limits[name] = 1, new RegExp(name));
    refuses((json) => json.providers[0][name] = 1, new RegExp(name));
    refuses((json) => json.providers[0].permit[name] = 1, new RegExp(name));
  }
});

Deno.test("every field is required but the key of a program", () => {
  const json = specToJson(spec) as Json;
  for (const name of Object.keys(json)) {
    refuses((changed) => delete changed[name], new RegExp(`: ${name} is missing`));
  }
  for (const name of Object.keys(json.program)) {
    refuses((changed) => delete changed.program[name], new RegExp(`program.${name} is missing`));
  }
  for (const name of Object.keys(json.limits)) {
    refuses((changed) => delete changed.limits[name], new RegExp(`limits.${name} is missing`));
  }
});

Deno.test("an interface is one of three, and only http has a server", () => {
  refuses((json) => json.interface = "fastcgi", /interface: not "curl", "cgi" or "http"/);
  for (const server of [{}, { instances: 2 }]) {
    refuses((json) => json.server = server, /server: of no use with interface "curl": "http"/);
    const cgi = (json: Json) => Object.assign(json, { interface: "cgi", server });
    refuses(cgi, /server: of no use with interface "cgi"/);
    assert.deepEqual(parseSpec({ ...specToJson(spec), interface: "http", server }).server, server);
  }
  assert.equal(parseSpec({ ...specToJson(spec), interface: "http" }).server, undefined);
});

Deno.test("how a server is reached is said within bounds, each by its field", () => {
  const server = (said: Json) => (json: Json) =>
    Object.assign(json, { interface: "http", server: said });
  for (const port of [1023, 65_536, "8080", 80.5, null]) {
    refuses(server({ port }), /server\.port: .*number/i);
  }
  refuses(server({ instances: 0 }), /server\.instances: not a whole number from 1 to 64/);
  refuses(server({ instances: 65 }), /server\.instances: not a whole number/);
  refuses(server({ concurrency: 1_025 }), /server\.concurrency: not a whole number from 1 to 1024/);
  refuses(server({ listen: "socket" }), /server\.listen: not "port" or "fd"/);
  refuses(server({ listen: "fd", port: 8080 }), /server\.port: of no use with listen "fd"/);
  refuses(server({ workers: 2 }), /unknown field server\.workers/);
  refuses(server("port"), /server: /);
});

Deno.test("a server is told its port and its socket by whoever starts it, never by its spec", () => {
  for (const name of ["PORT", "LISTEN_FDS", "LISTEN_PID"]) {
    const env = { [name]: "1" };
    refuses(
      (json) => Object.assign(json, { interface: "http", env }),
      new RegExp(`env: ${name} is set for each server`),
    );
    assert.deepEqual(parseSpec({ ...specToJson(spec), env }).env, env, "programs are told none");
  }
});

Deno.test("what is public of it, and which pages read it, stand in it as they are, or not at all", () => {
  const about = { description: "Says hello.", input: { type: "text", example: "Nino" } };
  const cors = { origins: ["https://app.example"], maxAgeSeconds: 60 };
  const json = { ...specToJson(spec), about, cors };
  const parsed = parseSpec(JSON.parse(JSON.stringify(json)));
  assert.deepEqual([parsed.about, parsed.cors], [about, cors]);
  assert.deepEqual(specToJson(parsed), json);
  assert.ok(!("about" in spec) && !("cors" in spec));
  refuses((changed) => changed.about = { description: "" }, /spec: about\.description: is empty/);
  refuses((changed) => changed.about = "Says hello.", /spec: about: not an object/);
  refuses((changed) => changed.cors = { origins: "a" }, /spec: cors\.origins: not "\*" or a list/);
});

Deno.test("limits are whole numbers within bounds", () => {
  for (const bad of [0, -1, 1.5, "15000", Infinity, 900_001, null]) {
    refuses((json) => json.limits.timeoutMs = bad, /timeoutMs/);
  }
  refuses((json) => json.limits.concurrency = 65, /concurrency/);
  refuses((json) => json.limits.ownerCreditsPerMinute = 0, /ownerCreditsPerMinute/);
  refuses((json) => json.limits.memoryMb = 0, /memoryMb/);
});

Deno.test("an entrypoint stays inside the program", () => {
  for (const bad of ["/bin/sh", "../main", "./../main", "", "./", "a\\b", "bin/../../x", "a\0b"]) {
    refuses((json) => json.program.entrypoint = bad, /entrypoint/);
  }
});

Deno.test("a spec can't set what a request sets, nor pass what is no variable", () => {
  const env = (name: string, value: unknown = "x") => (json: Json) => json.env = { [name]: value };
  const ours = ["QUERY_STRING", "HTTP_AUTHORIZATION", "REMOTE_ADDR", "HTTP_X", "KHACHAPURI_PAYER"];
  for (const name of ours) {
    refuses(env(name), /set by each request/);
  }
  for (const name of ["", "1A", "A-B", "A=B", "A\0"]) refuses(env(name), /no variable name/);
  refuses(env("A", "nul\0"), /without NUL/);
  refuses(env("A", "\ud800"), /without NUL/);
  refuses(env("A", 1), /object of strings/);
  refuses((json) => json.env = JSON.parse('{"__proto__":"x"}'), /no variable name/);
  refuses((json) => json.env = [], /object of strings/);
});

Deno.test("names that objects inherit are variables like others", () => {
  const json = structuredClone(specToJson(spec)) as Json;
  json.env = { constructor: "a", prototype: "b", HTTP_PROXY: "http://proxy.example" };
  assert.deepEqual(parseSpec(json).env, json.env);
});

Deno.test("a refusal never quotes the value of a secret", () => {
  refuses((json) => json.env = { "BAD NAME": "s3cr3t" }, /^(?!.*s3cr3t)/);
  refuses((json) => json.env = { A: "s3cr3t\0" }, /^(?!.*s3cr3t)/);
  refuses((json) => json.program.key = "s3cr3t", /^(?!.*s3cr3t)/);
});

Deno.test("egress is a list of names with their ports", () => {
  const json = structuredClone(specToJson(spec)) as Json;
  json.egress = ["api.example.com:443", "*.example.org:8080"];
  assert.deepEqual(parseSpec(json).egress, json.egress);
  refuses((json) => json.egress = ["example.com"], /host:port/);
  refuses((json) => json.egress = ["10.0.0.1:443"], /an address/);
});

Deno.test("no provider, the same twice, or too many are refused", () => {
  refuses((json) => json.providers = [], /no provider/);
  refuses((json) => json.providers.push(json.providers[0]), /twice/);
  refuses((json) => json.providers = Array(17).fill(json.providers[0]), /more than 16/);
});

Deno.test("what is no object at all is refused", () => {
  for (const value of [null, [], "spec", 1, undefined]) {
    assert.throws(() => parseSpec(value), { code: "invalid_spec" });
  }
});

Deno.test("an entry is found by provider, chain and escrow together", () => {
  const entry = spec.providers[0]!;
  const at = { address: entry.address, chainId: entry.chainId, escrow: entry.escrow };
  assert.equal(specEntryFor(spec, at), entry);
  assert.equal(specEntryFor(spec, { ...at, chainId: 1 }), null);
  assert.equal(specEntryFor(spec, { ...at, escrow: spec.owner }), null);
  assert.equal(specEntryFor(spec, { ...at, address: spec.owner }), null);
});
