import assert from "node:assert/strict";
import { CID, PAYER } from "../../../worlds/calls.ts";
import type { Deployment } from "../deployment/deployment.ts";
import { Fields } from "../http/fields.ts";
import { playedScheme } from "./played_scheme.ts";

const DEPLOYMENT = { cid: CID, spec: { id: "0x01" } } as unknown as Deployment;

Deno.test("the owner seems to pay, or the caller that is named; it costs nothing", async () => {
  const fields = new Fields([]);
  assert.equal((await playedScheme(null).read(DEPLOYMENT, fields))!.source, "owner");
  const scheme = playedScheme(PAYER);
  const bill = (await scheme.read(DEPLOYMENT, fields))!;
  assert.deepEqual(bill, { source: "caller", payer: PAYER, cid: CID, scope: "0x01" });
  await scheme.prove(bill);
  const hold = await scheme.hold(await scheme.admit(bill));
  assert.deepEqual(await hold.notice(), []);
  await hold.charge("answered", null);
  hold.release("none");
  assert.equal(await scheme.provenPayer(fields, () => true), null);
  assert.deepEqual(scheme.offer(), { scheme: "played" });
});
