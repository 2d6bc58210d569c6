import assert from "node:assert/strict";
import { getAddress, type Hex } from "viem";
import type { CidText } from "../../cid.ts";
import { OPENAPI_OWNER_OPERATIONS_MAX } from "../../limits_of_discovery.ts";
import { makeFolder } from "../../../worlds/home.ts";
import { join } from "node:path";
import type { Deployment } from "./deployment.ts";
import { openRecords, type Records } from "./records.ts";

const OWNER = getAddress(`0x${"11".repeat(20)}`);
const OTHER = getAddress(`0x${"22".repeat(20)}`);
const TERMS: Hex = `0x${"44".repeat(32)}`;
const idOf = (number: number): Hex => `0x${String(number).padStart(64, "0")}`;

const deployment = (number: number, changes: object = {}) =>
  ({
    cid: `bafy${number}` as CidText,
    spec: {
      id: idOf(number),
      owner: OWNER,
      access: "payer",
      about: { description: `number ${number}` },
      env: { TOKEN: "hunter2" },
      ...changes,
    },
    entry: { terms: TERMS, permit: { price: 1n } },
  }) as unknown as Deployment;

const listed = ({ registrations }: Records) =>
  [...registrations.abouts.listed()].map(({ cid }) => cid);

Deno.test("what was paid for and is described is listed, the last first, also by the next process", async () => {
  await using folder = await makeFolder();
  const path = join(folder.dir, "deployments.db");
  const clock = { ms: 1 };
  const before = openRecords(path, { now: () => clock.ms });
  assert.deepEqual(listed(before), []);
  before.registrations.add(deployment(1));
  before.registrations.add(deployment(2, { about: undefined }));
  clock.ms = 2;
  before.registrations.add(deployment(3, { access: "public", owner: OTHER }));
  assert.deepEqual(listed(before), ["bafy3", "bafy1"]);
  assert.equal(before.registrations.abouts.noted, 2);
  before.close();

  const after = openRecords(path);
  const rows = [...after.registrations.abouts.listed()];
  assert.deepEqual(rows, [
    {
      cid: "bafy3",
      owner: OTHER,
      access: "public",
      terms: TERMS,
      about: { description: "number 3" },
    },
    {
      cid: "bafy1",
      owner: OWNER,
      access: "payer",
      terms: TERMS,
      about: { description: "number 1" },
    },
  ]);
  after.stops.add({ owner: OTHER, id: idOf(3) });
  after.stops.add({ owner: OTHER, id: idOf(1) });
  assert.deepEqual(listed(after), ["bafy1"], "nobody stops another's");
  after.close();
});

Deno.test("no owner fills the list alone: the latest of each are listed", () => {
  const records = openRecords(":memory:", { now: () => 1 });
  records.registrations.add(deployment(1, { owner: OTHER }));
  const many = OPENAPI_OWNER_OPERATIONS_MAX + 3;
  for (let number = 2; number < 2 + many; number++) records.registrations.add(deployment(number));
  const cids = listed(records);
  assert.equal(cids.length, OPENAPI_OWNER_OPERATIONS_MAX + 1);
  assert.deepEqual([cids[0], cids.at(-1)], [`bafy${1 + many}`, "bafy1"]);
  // The places of those that are stopped are for others.
  records.stops.add({ owner: OWNER, id: idOf(1 + many) });
  assert.equal(listed(records).length, OPENAPI_OWNER_OPERATIONS_MAX + 1);
  records.close();
});
