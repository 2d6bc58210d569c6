import assert from "node:assert/strict";
import { parseCors } from "./cors.ts";

function refuses(cors: unknown, message: string): void {
  const wanted = { code: "invalid_input", message: `cors.json: ${message}` };
  assert.throws(() => parseCors(cors, "cors.json"), wanted);
}

Deno.test("pages of every origin, or of listed ones, may read", () => {
  const origins = ["https://app.example", "http://localhost:5173", "https://[::1]:8443"];
  for (const cors of [{ origins: "*" }, { origins }]) {
    assert.deepEqual(parseCors(cors, ""), cors);
  }
  refuses({}, "origins is missing");
  refuses({ origins: [] }, "origins: an empty list");
  refuses({ origins: Array(17).fill("https://a.example") }, "origins: more than 16");
  for (const one of ["https://app.example", "null", 1]) {
    refuses({ origins: one }, 'origins: not "*" or a list of origins');
  }
  const unlike = [
    "*",
    "null",
    "app.example",
    "https://App.example",
    "https://app.example/",
    "https://app.example:443",
    "https://user@app.example",
    "https://*.app.example",
    "ftp://app.example",
    `https://${"a".repeat(270)}`,
  ];
  for (const origin of unlike) {
    const said = { message: /^cors\.json: origins\.0: .*not an origin as browsers send it/ };
    assert.throws(() => parseCors({ origins: [origin] }, "cors.json"), said);
  }
  const wanted = "is not an origin as browsers send it";
  for (const origin of ["https://app.example/", "https://App.example", "https://app.example:443"]) {
    refuses({ origins: [origin] }, `origins.0: "${origin}" ${wanted}: write https://app.example`);
  }
  refuses(
    { origins: ["app.example"] },
    `origins.0: "app.example" ${wanted}, e.g. https://app.example`,
  );
});

Deno.test("methods and fields are names, none of them a wildcard, and the age has a bound", () => {
  const cors = {
    origins: "*",
    methods: ["POST", "QUERY"],
    headers: ["X-A"],
    expose: ["X-B"],
    maxAgeSeconds: 600,
  };
  assert.deepEqual(parseCors(cors, ""), cors);
  for (const field of ["methods", "headers", "expose"]) {
    for (const name of ["*", "", "a b", "a,b", "é", "a\r\nb", "a".repeat(65)]) {
      const one = { origins: "*", [field]: [name] };
      refuses(one, `${field}.0: not a name (RFC 9110 section 5.6.2)`);
    }
    refuses({ origins: "*", [field]: Array(33).fill("a") }, `${field}: more than 32`);
  }
  for (const maxAgeSeconds of [-1, 1.5, 86_401]) {
    refuses({ origins: "*", maxAgeSeconds }, "maxAgeSeconds: not a whole number from 0 to 86400");
  }
  refuses({ origins: "*", credentials: true }, "unknown field credentials");
});
