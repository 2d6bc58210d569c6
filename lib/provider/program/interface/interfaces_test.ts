import assert from "node:assert/strict";
import { sampleUnsigned } from "../../../../worlds/spec/sample_spec.ts";
import { cgi } from "./cgi.ts";
import { curl } from "./curl.ts";
import { http } from "./http.ts";
import { interfaceOf } from "./interfaces.ts";

Deno.test("each interface that a spec may name is one, and no other is", async () => {
  assert.equal(interfaceOf("curl"), curl);
  assert.equal(interfaceOf("cgi"), cgi);
  assert.equal(interfaceOf("http"), http);
  for (const name of ["curl", "cgi", "http"]) {
    const { spec } = await sampleUnsigned({ fields: { interface: name } });
    assert.ok(interfaceOf(spec.interface));
  }
  for (const name of ["HTTP", "constructor"]) {
    await assert.rejects(sampleUnsigned({ fields: { interface: name } }), { code: "invalid_spec" });
  }
});
