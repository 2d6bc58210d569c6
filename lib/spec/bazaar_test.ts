import assert from "node:assert/strict";
import { parseAbout } from "./about.ts";
import { describedBy } from "./bazaar.ts";

const described = (about: object) => describedBy(parseAbout({ description: "x", ...about }, ""));

// deno-lint-ignore no-explicit-any -- tests reach into JSON by path
const bazaarOf = (about: object): any => described(about).extensions?.bazaar;

Deno.test("the extension of x402's own example", () => {
  const about = {
    description: "Says hello in Georgian.",
    input: { type: "text", example: "data" },
    output: { type: "text", example: "gamarjoba" },
    tags: ["compute"],
  };
  assert.deepEqual(describedBy(parseAbout(about, "")), {
    description: about.description,
    mimeType: "text/plain",
    tags: ["compute"],
    extensions: {
      bazaar: {
        info: {
          input: { type: "http", method: "POST", bodyType: "text", body: "data" },
          output: { type: "text", example: "gamarjoba" },
        },
        schema: {
          $schema: "https://json-schema.org/draft/2020-12/schema",
          type: "object",
          properties: {
            input: {
              type: "object",
              properties: {
                type: { type: "string", const: "http" },
                method: { type: "string", enum: ["POST"] },
                bodyType: { type: "string", enum: ["json", "form-data", "text"] },
                body: { type: "string" },
              },
              required: ["type", "method", "bodyType", "body"],
              additionalProperties: false,
            },
            output: {
              type: "object",
              properties: { type: { type: "string" }, example: { type: "string" } },
              required: ["type"],
            },
          },
          required: ["input"],
        },
      },
    },
  });
});

Deno.test("parameters of a URL are told as such", () => {
  const schema = { properties: { q: { type: "string" } }, required: ["q"] };
  const { info, schema: { properties } } = bazaarOf({
    method: "GET",
    input: { type: "query", example: { q: "x" }, schema },
  });
  assert.deepEqual(info, { input: { type: "http", method: "GET", queryParams: { q: "x" } } });
  assert.deepEqual(properties.input.properties.queryParams, { type: "object", ...schema });
  assert.deepEqual(properties.input.required, ["type", "method"]);
});

Deno.test("a body is told as one of three kinds, and of another nothing is said", () => {
  const kindOf = (type: string) => bazaarOf({ input: { type, example: "x" } })?.info.input.bodyType;
  assert.equal(kindOf("application/ld+json"), "json");
  assert.equal(kindOf("application/x-www-form-urlencoded"), "form-data");
  assert.equal(kindOf("text/csv"), "text");
  assert.equal(kindOf("image/png"), undefined);
  assert.equal(bazaarOf({ input: { type: "text/csv" } }), undefined, "there is no example");
  assert.equal(described({ input: { type: "image/png" } }).description, "x", "words stay");
  assert.deepEqual(bazaarOf({}).info.input, {
    type: "http",
    method: "POST",
    bodyType: "text",
    body: "",
  });
});
