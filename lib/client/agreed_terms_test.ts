import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../worlds/home.ts";
import { noteAgreement, readAgreement } from "./agreed_terms.ts";

const PAOLO = {
  name: "paolo.test",
  address: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8" as const,
  terms: `0x${"01".repeat(32)}` as const,
};
const NINO = { ...PAOLO, address: "0x5FbDB2315678afecb367f032d93F642f64180aa3" as const };
const AT = "2026-01-01T00:00:00.000Z";

Deno.test("the last agreement with a provider is kept, by its name and its address", () =>
  inFolder(async (home) => {
    assert.equal(await readAgreement(home, PAOLO), null);
    await noteAgreement(home, PAOLO, AT);
    assert.deepEqual(await readAgreement(home, PAOLO), { ...PAOLO, agreedAt: AT });
    // The name went to somebody else.
    assert.equal(await readAgreement(home, NINO), null);
    const newer = { ...PAOLO, terms: `0x${"02".repeat(32)}` as const };
    await noteAgreement(home, newer, "2026-02-01T00:00:00.000Z");
    assert.equal((await readAgreement(home, PAOLO))?.terms, newer.terms);
    const { agreed } = JSON.parse(await Deno.readTextFile(join(home, "terms.json")));
    assert.equal(agreed.length, 1);
  }));

Deno.test("a damaged file is not taken for no agreement", () =>
  inFolder(async (home) => {
    await Deno.writeTextFile(join(home, "terms.json"), "{}");
    await assert.rejects(readAgreement(home, PAOLO), { code: "invalid_config" });
  }));
