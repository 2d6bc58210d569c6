/**
 * What we say of deployments is what x402's own package would say, what a validator of OpenAPI
 * takes, and what the reader that agents find paid resources by understands.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { openapiText } from "../../lib/provider/http/openapi.ts";
import { type About, hasBody, methodOf, parseAbout } from "../../lib/spec/about.ts";
import { describedBy } from "../../lib/spec/bazaar.ts";
import { schemaOf } from "../../lib/spec/json_schema.ts";
import { startMarket } from "../../worlds/market.ts";
import { DISCOVERY, folderOf } from "./packages.ts";
import { withPeer } from "./with_peer.ts";

const PROVIDER = { name: "paolo.eth", webDomain: "https://paolo.example" };
const SCHEMA = {
  type: "object",
  properties: { name: { type: "string", minLength: 1 }, times: { type: ["integer", "null"] } },
  required: ["name"],
  additionalProperties: false,
};

const ABOUTS: readonly About[] = [
  {},
  { input: { type: "text", example: "data" }, output: { type: "text", example: "gamarjoba" } },
  { input: { type: "json", example: { name: "Nino", times: null }, schema: SCHEMA } },
  {
    method: "PUT",
    input: { type: "json", example: [1, "a"] },
    output: { type: "json", example: [] },
  },
  { method: "PATCH", input: { type: "form-data", example: { file: "x" } }, tags: ["a b", "c"] },
  { input: { type: "text/csv", example: "a,b" }, output: { type: "image/png" } },
  { input: { type: "application/ld+json", example: {} }, output: { type: "json", example: 0 } },
  { method: "GET", input: { type: "query", example: { name: "Nino" }, schema: SCHEMA } },
  {
    method: "GET",
    output: { type: "json", example: { a: 1 }, schema: { properties: { a: true } } },
  },
  { method: "DELETE", input: { type: "query", example: { id: 7, all: false } } },
  { method: "HEAD" },
].map((about) => parseAbout({ description: "Says hello. Often.", ...about }, ""));

/** The configuration by which x402's package makes the same. */
function configOf({ input, output, ...about }: About) {
  const method = methodOf(about);
  const said = output?.example
    ? { output: { example: output.example, schema: output.schema ?? schemaOf(output.example) } }
    : {};
  const { example, schema } = input ?? {};
  const inputSchema = schema ?? (typeof example === "string" ? schemaOf(example) : undefined);
  const sent = { ...(input ? { input: example } : {}), ...(inputSchema ? { inputSchema } : {}) };
  if (["GET", "HEAD", "DELETE"].includes(method)) return { method, config: { ...sent, ...said } };
  const words = { "application/ld+json": "json", "text/csv": "text" };
  if (!input) {
    const empty = { bodyType: "text", input: "", inputSchema: { type: "string" } };
    return { method, config: { ...empty, ...said } };
  }
  const bodyType = words[input.type as keyof typeof words] ?? input.type;
  return { method, config: { bodyType, ...sent, ...said } };
}

// deno-lint-ignore no-explicit-any -- whatever the packages say
async function ask(question: object): Promise<any> {
  const folder = folderOf(DISCOVERY);
  const run = ["run", "--quiet", "--no-config", "--no-lock", "--no-prompt"];
  const granted = ["--allow-net=127.0.0.1", "--allow-read", "--allow-env"];
  const program = join(import.meta.dirname!, "discovery_reader.ts");
  const child = new Deno.Command(Deno.execPath(), {
    args: [...run, "--node-modules-dir=manual", ...granted, program, folder],
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify(question)));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

// deno-lint-ignore no-explicit-any -- tests reach into JSON by path
const bazaarOf = (about: About): any => describedBy(about).extensions?.bazaar;

Deno.test(
  "the bazaar extension is the one that x402's package declares, and valid to it",
  withPeer(DISCOVERY, async () => {
    const extensions = ABOUTS.map(bazaarOf);
    const { declared, validated } = await ask({ declared: ABOUTS.map(configOf), extensions });
    for (const [index, about] of ABOUTS.entries()) {
      const { output } = declared[index].info;
      // It takes every answer for JSON, and its own specification does not.
      if (output) output.type = about.output!.type;
      const wanted = declared[index];
      const { method, bodyType } = wanted.schema.properties.input.properties;
      assert.deepEqual(method.enum, [methodOf(about)]);
      if (bodyType) assert.deepEqual(bodyType.enum, ["json", "form-data", "text"]);
      assert.deepEqual(extensions[index], wanted, JSON.stringify(about));
      assert.deepEqual(validated[index], [{ valid: true }, { valid: true }], JSON.stringify(about));
    }
  }),
);

Deno.test(
  "the document of what can be called is valid OpenAPI 3.1",
  withPeer(DISCOVERY, async () => {
    const listed = ABOUTS.map((about, index) => ({
      cid: `bafy${index}`,
      about,
      isPaid: index % 2 === 0,
    }));
    const openapi = JSON.parse(openapiText(PROVIDER, 10_000n, listed));
    assert.deepEqual((await ask({ openapi })).openapi, { valid: true });
    openapi.paths["/bafy1"].post.responses = [];
    assert.equal((await ask({ openapi })).openapi.valid, false, "it looks");
    const nobody = JSON.parse(openapiText(PROVIDER, 10_000n, []));
    assert.deepEqual((await ask({ openapi: nobody })).openapi, { valid: true });
    assert.ok(ABOUTS.some(({ input }) => input && !hasBody(input)));
  }),
);

Deno.test(
  "agents find what a provider lists, with its price",
  withPeer(DISCOVERY, async () => {
    await using market = await startMarket();
    const program = { main: "#!/bin/sh\necho hello\n" };
    const fields = { about: ABOUTS[2] };
    const paid = await market.deploy({ files: program, fields: { ...fields, access: "payer" } });
    const free = await market.deploy({ files: program, fields });
    const pay = await market.pay(market.accounts.payer);
    for (const [cid, headers] of [[paid, pay], [free, {}]] as const) {
      await (await market.call(cid, { method: "POST", body: "{}", headers })).body?.cancel();
    }
    const { discovered } = await ask({ origin: market.provider.url });
    assert.equal(discovered.found, true, JSON.stringify(discovered));
    // deno-lint-ignore no-explicit-any -- as that package has them
    const found = Object.fromEntries(discovered.endpoints.map((each: any) => [each.path, each]));
    assert.deepEqual(Object.keys(found).sort(), [`/${paid}`, `/${free}`].sort());
    assert.equal(found[`/${paid}`].authMode, "paid");
    assert.equal(found[`/${free}`].authMode, "unprotected");
    const { method, price, protocols } = found[`/${paid}`];
    assert.deepEqual([method, price, protocols], ["POST", "0.01 USD", ["x402"]]);
    assert.equal(found[`/${paid}`].method, "POST");
  }),
);
