import assert from "node:assert/strict";
import { ABOUT_BYTES_MAX, ABOUT_DEPTH_MAX } from "../limits_of_discovery.ts";
import { type About, hasBody, mediaTypeOf, methodOf, parseAbout } from "./about.ts";

const ABOUT = {
  description: "Says hello in Georgian.",
  method: "POST",
  input: { type: "text", example: "Nino" },
  output: { type: "json", example: { said: "gamarjoba" }, schema: { type: "object" } },
  tags: ["language", "greetings"],
};

/** @param message of the refusal, behind the document's name */
function refuses(about: unknown, message: string | RegExp): void {
  const wanted = typeof message === "string" ? `about.json: ${message}` : message;
  assert.throws(() => parseAbout(about, "about.json"), { code: "invalid_input", message: wanted });
}

const nested = (levels: number): unknown => levels === 0 ? 1 : { a: nested(levels - 1) };

Deno.test("what is said of a deployment is read as it stands, and only its description must be", () => {
  assert.deepEqual(parseAbout(ABOUT, "about.json"), ABOUT);
  const bare = { description: "Tells the time." };
  assert.deepEqual(parseAbout(bare, "about.json"), bare);
  refuses({}, "description is missing");
  for (const value of [null, [], "text", 1]) refuses(value, "not an object");
  refuses({ ...ABOUT, price: "1" }, "unknown field price");
});

Deno.test("a description is a text of 500 characters at most, without control characters", () => {
  const described = (description: string) => ({ description });
  assert.doesNotThrow(() => parseAbout(described("გ".repeat(500)), ""));
  refuses(described("გ".repeat(501)), "description: longer than 500 characters");
  refuses(described(" "), "description: is empty");
  for (const text of ["two\nlines", "a\0b", "\x7f", "\x9b"]) {
    refuses(described(text), "description: holds control characters");
  }
  refuses(described("\ud800"), "text with half a character");
});

Deno.test("a method is one that lists of what can be called know, and POST where none is said", () => {
  assert.equal(methodOf(parseAbout({ description: "x" }, "")), "POST");
  assert.equal(methodOf(parseAbout({ description: "x", method: "PUT" }, "")), "PUT");
  for (const method of ["post", "QUERY", "", "OPTIONS", 1]) {
    refuses({ description: "x", method }, /about\.json: method: /);
  }
});

Deno.test("what to send is shown, in the form that its type has", () => {
  const sent = (input: unknown, method?: string) => ({
    description: "x",
    ...(method === undefined ? {} : { method }),
    input,
  });
  const good: [unknown, string?][] = [
    [{ type: "json", example: [] }],
    [{ type: "text", example: "" }],
    [{ type: "form-data", example: { file: "x" } }],
    [{ type: "query", example: { q: "x" } }, "GET"],
    [{ type: "image/png" }],
    [{ type: "application/vnd.a+json", schema: { type: "object" } }],
  ];
  for (const [input, method] of good) {
    assert.deepEqual(parseAbout(sent(input, method), "").input, input);
  }
  refuses(sent({ type: "json" }), "input.example: is missing: show what to send");
  refuses(sent({ type: "text", example: 1 }), 'input.example: not a text, as its type is "text"');
  for (const type of ["form-data", "query"]) {
    const input = { type, example: ["a"] };
    refuses(sent(input, "GET"), "input.example: not an object of names and values");
  }
  const mismatch = 'input: requests by GET, HEAD and DELETE have a "query", and only they';
  refuses(sent({ type: "json", example: 1 }, "GET"), mismatch);
  refuses(sent({ type: "query", example: {} }), mismatch);
  for (const type of ["xml", "Image/PNG", "text/plain; charset=utf-8", "constructor", "a/b/c"]) {
    refuses(
      sent({ type, example: "" }),
      /input\.type: not query, json, text, form-data or a media/,
    );
  }
  const output = { description: "x", output: { type: "query" } };
  refuses(output, "output.type: an answer is no query");
});

Deno.test("a type has its media type", () => {
  const types = ["json", "text", "form-data", "image/png"].map((type) => mediaTypeOf({ type }));
  const wanted = ["application/json", "text/plain", "multipart/form-data", "image/png"];
  assert.deepEqual(types, wanted);
  assert.deepEqual(["json", "query"].map((type) => hasBody({ type })), [true, false]);
});

Deno.test("tags are five words of printable ASCII, each once", () => {
  const tagged = (...tags: unknown[]) => ({ description: "x", tags });
  refuses(tagged(..."abcdef"), "tags: more than 5");
  refuses(tagged("a", "A"), "tags: names a tag twice");
  for (const tag of ["", "é", "a\n", "a".repeat(33)]) {
    refuses(tagged(tag), "tags.0: not 1 to 32 printable ASCII characters");
  }
});

Deno.test("all of it is bounded in bytes and depth, and JSON that has one form alone", () => {
  const shown = (example: unknown) => ({ description: "x", input: { type: "json", example } });
  assert.doesNotThrow(() => parseAbout(shown(nested(ABOUT_DEPTH_MAX - 2)), ""));
  refuses(shown(nested(ABOUT_DEPTH_MAX - 1)), "nested too deeply");
  const deepest = JSON.parse(`${"[".repeat(60_000)}${"]".repeat(60_000)}`);
  refuses(shown(deepest), "nested too deeply");
  refuses(shown("x".repeat(ABOUT_BYTES_MAX)), /bytes as JSON, of at most 8192$/);
  refuses(shown(JSON.parse("1e999")), "a number out of range");
  refuses(shown(JSON.parse('{"__proto__":1}')), "a member named __proto__");
  refuses(shown(["\udc00"]), "text with half a character");
});

Deno.test("a schema is of known keywords, refers to nothing and matches by no pattern", () => {
  const schema = {
    type: ["object", "null"],
    properties: { a: { type: "string", maxLength: 3, enum: ["x", null] }, b: true },
    required: ["a"],
    additionalProperties: false,
    anyOf: [{ minProperties: 1 }, { items: { not: { const: 1 } }, prefixItems: [false] }],
  };
  const withSchema = (schema: unknown) => ({
    description: "x",
    input: { type: "json", example: {}, schema },
  });
  const parsed: About = parseAbout(withSchema(schema), "");
  assert.deepEqual(parsed.input!.schema, schema);
  for (const name of ["$ref", "$id", "$schema", "$defs", "pattern", "definitions", "typo"]) {
    const below = { properties: { a: { [name]: "#" } } };
    refuses(withSchema(below), `unknown field input.schema.properties.a.${name}`);
  }
  refuses(withSchema({ type: "text" }), /input\.schema\.type: not one of object, array/);
  refuses(withSchema({ type: [] }), "input.schema.type: an empty list");
  refuses(withSchema({ required: ["a", "a"] }), "input.schema.required: names a member twice");
  refuses(withSchema({ anyOf: [] }), "input.schema.anyOf: an empty list");
  refuses(withSchema({ minLength: -1 }), /input\.schema\.minLength: not a whole number from 0/);
  refuses(withSchema({ multipleOf: 0 }), "input.schema.multipleOf: not above 0");
  refuses(withSchema(true), /input\.schema: /);
});
