import assert from "node:assert/strict";
import { OPENAPI_BYTES_MAX, OPENAPI_OPERATIONS_MAX } from "../../limits_of_discovery.ts";
import { parseAbout } from "../../spec/about.ts";
import { callPrice, type ListedDeployment, openapiText } from "./openapi.ts";

const PROVIDER = { name: "paolo.eth", webDomain: "https://paolo.example" };

const listed = (cid: string, about: object, isPaid = true): ListedDeployment => ({
  cid,
  about: parseAbout({ description: "Says hello.", ...about }, ""),
  isPaid,
});

// deno-lint-ignore no-explicit-any -- tests reach into JSON by path
const documentOf = (deployments: Iterable<ListedDeployment>, price: bigint | null = 10_000n): any =>
  JSON.parse(openapiText(PROVIDER, price, deployments));

Deno.test("a deployment is an operation at its cid, with what a call costs", () => {
  const about = {
    description: "Says hello in Georgian. Politely.",
    input: { type: "text", example: "Nino" },
    output: { type: "json", example: { said: "gamarjoba" }, schema: { type: "object" } },
    tags: ["hello"],
  };
  const { openapi, info, servers, paths } = documentOf([listed("bafya", about)]);
  assert.deepEqual([openapi, info.title, servers], [
    "3.1.0",
    "paolo.eth",
    [{ url: "https://paolo.example" }],
  ]);
  assert.deepEqual(paths, {
    "/bafya": {
      post: {
        operationId: "bafya",
        summary: "Says hello in Georgian.",
        description: "Says hello in Georgian. Politely.",
        tags: ["hello"],
        security: [],
        "x-payment-info": {
          price: { mode: "fixed", currency: "USD", amount: "0.01" },
          protocols: [{ x402: {} }],
        },
        requestBody: {
          required: true,
          content: { "text/plain": { schema: { type: "string" }, example: "Nino" } },
        },
        responses: {
          200: {
            description: "OK",
            content: {
              "application/json": { schema: { type: "object" }, example: { said: "gamarjoba" } },
            },
          },
          402: { description: "Payment Required" },
        },
      },
    },
  });
});

Deno.test("who need not pay is told of no price and no 402", () => {
  const { post } = documentOf([listed("bafya", {}, false)]).paths["/bafya"];
  assert.equal(post["x-payment-info"], undefined);
  assert.deepEqual(Object.keys(post.responses), ["200"]);
  assert.deepEqual(post.security, []);
});

Deno.test("a query's parameters are those of its schema and of its example", () => {
  const input = {
    type: "query",
    example: { q: "x", page: 2 },
    schema: { properties: { q: { type: "string" }, lang: true }, required: ["q"] },
  };
  const { get } = documentOf([listed("bafya", { method: "GET", input })]).paths["/bafya"];
  assert.deepEqual(get.parameters, [
    { name: "q", in: "query", required: true, schema: { type: "string" }, example: "x" },
    { name: "lang", in: "query", required: false, schema: true },
    { name: "page", in: "query", required: false, schema: { type: "number" }, example: 2 },
  ]);
  assert.equal(get.requestBody, undefined);
});

Deno.test("a summary is the first sentence, or the beginning of a long one", () => {
  const summary = (description: string) =>
    documentOf([listed("bafya", { description })]).paths["/bafya"].post.summary;
  assert.equal(summary("Version 1.2 is here! It sings."), "Version 1.2 is here!");
  assert.equal(summary("No end"), "No end");
  assert.equal([...summary("ა".repeat(200))].length, 120);
});

Deno.test("the list ends where it would be too long, in deployments or in bytes", () => {
  let taken = 0;
  function* many(about: object): Generator<ListedDeployment> {
    for (;;) yield listed(`bafy${++taken}`, about);
  }
  assert.equal(Object.keys(documentOf(many({})).paths).length, OPENAPI_OPERATIONS_MAX);
  assert.equal(taken, OPENAPI_OPERATIONS_MAX, "no more are read");
  const large = { input: { type: "text", example: "x".repeat(7_000) } };
  const text = openapiText(PROVIDER, 1n, many(large));
  assert.ok(text.length <= OPENAPI_BYTES_MAX + 1_000);
  assert.ok(text.length > OPENAPI_BYTES_MAX - 10_000);
  JSON.parse(text);
});

Deno.test("a call costs what is asked of who calls once, and else a credit", () => {
  const credits = { scheme: "credits", amount: "1000" };
  assert.equal(
    callPrice([credits, { scheme: "exact", amount: "10000" } as object as never]),
    10_000n,
  );
  assert.equal(callPrice([credits as object as never]), 1_000n);
  assert.equal(callPrice([{ scheme: "other" }]), null);
  assert.equal(
    documentOf([listed("bafya", {})], null).paths["/bafya"].post["x-payment-info"],
    undefined,
  );
  const tiny = documentOf([listed("bafya", {})], 1n).paths["/bafya"].post["x-payment-info"];
  assert.equal(tiny.price.amount, "0.000001");
});
