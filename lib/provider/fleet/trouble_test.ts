import assert from "node:assert/strict";
import { KhachapuriError } from "../../errors.ts";
import { isLost, isReadOnly, lossOf, LostConnection, refusalOf } from "./trouble.ts";

const failure = (facts: object) => Object.assign(new Error("it broke"), facts);

Deno.test("what the server or the network is at fault for is told from what the statement is", () => {
  const lost = [
    ...["CONNECTION_CLOSED", "CONNECTION_ENDED", "CONNECTION_DESTROYED"],
    // It ends, recovers, takes no writes, is full, cancels, or its disk fails.
    ...["57P01", "57P02", "57P03", "57P05", "25006", "53300", "53100", "57014", "58030", "08006"],
    ...["40001", "40P01"],
  ];
  for (const code of lost) assert.ok(isLost(failure({ code })), code);
  const own = ["22012", "23505", "42601", "42P01", "42501", "P0001", "25P02", "UNDEFINED_VALUE"];
  for (const code of own) assert.ok(!isLost(failure({ code })), code);
  assert.ok(isLost(failure({ code: "XX000", severity: "FATAL" })));
  assert.ok(isLost(new LostConnection("gone")));
  for (const other of [null, "57P01", new Error("57P01")]) assert.ok(!isLost(other));
  assert.ok(isReadOnly(failure({ code: "25006" })));
  assert.ok(!isReadOnly(failure({ code: "57P01" })));
});

Deno.test("a server's refusal to have us is a matter of configuration, an error of a statement not", () => {
  for (const code of ["28P01", "28000", "3D000", "42501"]) {
    const refusal = refusalOf(failure({ code, severity: "FATAL" }), "db:1")!;
    assert.equal(refusal.code, "invalid_config");
    assert.equal(refusal.shortMessage, "PostgreSQL at db:1 refuses us: it broke");
    assert.equal(refusal.hints.length, 1);
    assert.equal(refusalOf(failure({ code, severity: "ERROR" }), "db:1"), null);
  }
  assert.equal(refusalOf(failure({ code: "57P03", severity: "FATAL" }), "db:1"), null);
  const own = new KhachapuriError("not_found", "no key file");
  assert.equal(refusalOf(own, "db:1"), own);
});

Deno.test("of a socket's errors those of certificates are refusals, and have a reason always", () => {
  const certificates = ["CERT_HAS_EXPIRED", "ERR_TLS_CERT_ALTNAME_INVALID"];
  for (const code of [...certificates, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"]) {
    assert.ok(lossOf(failure({ code }), "db:1") instanceof KhachapuriError, code);
  }
  const several = Object.assign(new AggregateError([]), { code: "ECONNREFUSED" });
  assert.equal(lossOf(several, "db:1").message, "db:1: ECONNREFUSED");
  assert.ok(lossOf(failure({ code: "ECONNRESET" }), "db:1") instanceof LostConnection);
});
