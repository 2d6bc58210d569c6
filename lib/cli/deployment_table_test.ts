import assert from "node:assert/strict";
import type { DeploymentTariff, LastRun } from "../client/deployment_states.ts";
import type { OwnDeployment } from "../client/deployments_file.ts";
import { detailsText } from "./deployment_details.ts";
import { type Row, rowJson, stateOf } from "./deployment_rows.ts";
import { ageText, tableLines } from "./deployment_table.ts";

const NOW = Date.parse("2026-11-28T18:00:00Z");
const CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
const OTHER = "bafkreigh2akiscpqk7lsdyloixljwge6aoivo3oyizzs4v37wdssmmwtme";

const PROVIDER = {
  name: "paolo.test",
  address: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8" as const,
  chainId: 31_337,
  escrow: "0x5FbDB2315678afecb367f032d93F642f64180aa3" as const,
  webDomain: "https://paolo.test",
  price: 1_000n,
  epoch: 0,
};

const RUN: LastRun = {
  at: NOW - 200_000,
  status: 502,
  exit: 3,
  signal: null,
  limit: null,
  reason: "the program exited with 3",
};

function rowOf(deployment: Partial<OwnDeployment> = {}, row: Partial<Row> = {}): Row {
  return {
    deployment: {
      cid: CID,
      id: `0x${"12".repeat(32)}`,
      owner: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
      program: { cid: "bafyprogram", private: false, name: "hello", entrypoint: "./main" },
      createdAt: "2026-11-28T15:00:00.000Z",
      providers: [PROVIDER],
      ...deployment,
    },
    provider: PROVIDER,
    settled: 12n,
    creditsLeft: 988n,
    allowedPrice: 1_000n,
    signingEpoch: 0,
    priceNow: 1_000n,
    needsPermit: null,
    told: { lastRun: RUN, cannotRun: null, tariff: null, server: null },
    isReplaced: false,
    ...row,
  };
}

const STOPPED = { provider: { ...PROVIDER, stoppedAt: "2026-11-28T16:00:00.000Z" } };

Deno.test("a table tells deployments apart, the newest first, with no column that is empty", () => {
  const told = { lastRun: null, cannotRun: null, tariff: null, server: null };
  const rows = [rowOf({}, { isReplaced: true }), rowOf({ cid: OTHER, labels: ["blog"] }, { told })];
  assert.deepEqual(tableLines(rows, NOW), [
    "NAME  FOLDER  CID               PROVIDER    AGE  STATE              SPENT  LEFT  LAST RUN        URL",
    "blog  hello   bafkreigh2akiscp  paolo.test  3 h  running            12     988   none yet        https://paolo.test/blog/",
    `      hello   bafkreigh2akisca  paolo.test  3 h  running, replaced  12     988   502, 3 min ago  https://paolo.test/${CID}`,
    "",
    "hello bafkreigh2akisca: the program exited with 3",
  ]);
  const [head] = tableLines([rowOf({}, { told: null, settled: null, creditsLeft: null })], NOW);
  assert.equal(head!.split(/ {2,}/).join(), "FOLDER,CID,PROVIDER,AGE,STATE,URL");
});

Deno.test("what deployments need stands below the table, once where it is the same", () => {
  const poor = { creditsLeft: 0n, allowedPrice: null };
  const rows = [rowOf({}, poor), rowOf({ cid: OTHER }, { ...poor, needsPermit: "price" })];
  const lines = tableLines(rows.map((row) => ({ ...row, told: null, priceNow: 2_000n })), NOW);
  assert.deepEqual(lines.slice(3), [
    "",
    "paolo.test: no credits left: khachapuri allow paolo.test --credits N",
    "hello bafkreigh2akiscp: price rose to 0.002 USDC, the permit pays 0.001; " +
    `needs a new permit: khachapuri permit ${OTHER}`,
  ]);
  assert.equal(tableLines([rowOf({}, { ...poor, ...STOPPED })], NOW).length, 2);
});

Deno.test("an earlier price that is kept needs nothing until it ends, which is told", () => {
  const nothing = { lastRun: null, cannotRun: null, server: null };
  const next = { price: 2_000n, at: 1_893_456_000n };
  const needsOf = (tariff: DeploymentTariff) => {
    const told = { ...nothing, tariff };
    const risen = { needsPermit: "price", priceNow: 2_000n, allowedPrice: 2_000n } as const;
    return tableLines([rowOf({}, { told, ...risen })], NOW).slice(2);
  };
  assert.deepEqual(needsOf({ price: 1_000n, next: null }), []);
  assert.deepEqual(needsOf({ price: 1_000n, next }), [
    "",
    "hello bafkreigh2akis: paolo.test keeps its price of 0.001 USDC a credit until " +
    "2030-01-01T00:00:00Z, then 0.002; before that: khachapuri allow paolo.test --reprice",
  ]);
  assert.match(needsOf({ price: 2_000n, next: null })[1]!, /needs a new permit/);
});

Deno.test("an allowance at the old price is told with the command that mends all", () => {
  const linesOf = (row: Partial<Row>) =>
    tableLines([rowOf({}, { told: null, priceNow: 2_000n, ...row })], NOW).slice(3);
  const called = "hello bafkreigh2akis: price rose to 0.002 USDC,";
  const mend = "the allowance pays 0.001: khachapuri allow paolo.test --reprice";
  assert.deepEqual(linesOf({}), [`${called} ${mend}`]);
  const permit = "the permit pays 0.001 and";
  assert.deepEqual(linesOf({ needsPermit: "price" }), [`${called} ${permit} ${mend}`]);
  const epoch = "permits are taken back and";
  assert.deepEqual(linesOf({ needsPermit: "epoch" }), [`${called} ${epoch} ${mend}`]);
  const dearer = linesOf({ needsPermit: "price", allowedPrice: 2_000n });
  assert.match(dearer.join(), /the permit pays 0\.001; needs a new permit: khachapuri permit/);
});

Deno.test("a deployment's state is what hinders it most", () => {
  const told = { lastRun: null, cannotRun: "no such host is allowed", tariff: null, server: null };
  assert.equal(stateOf(rowOf()), "running");
  assert.equal(stateOf(rowOf({}, { told })), "cannot run");
  assert.equal(stateOf(rowOf({}, { told, creditsLeft: 0n })), "needs credits");
  assert.equal(stateOf(rowOf({}, { told, priceNow: 2_000n })), "needs allowance");
  assert.equal(stateOf(rowOf({}, { told, needsPermit: "epoch" })), "needs permit");
  const kept = { ...told, cannotRun: null, tariff: { price: 1_000n, next: null } };
  const risen = { told: kept, needsPermit: "price", priceNow: 2_000n } as const;
  assert.equal(stateOf(rowOf({}, risen)), "at an earlier price");
  assert.equal(stateOf(rowOf({}, { ...risen, told: { ...kept, ...told } })), "needs permit");
  assert.equal(stateOf(rowOf({}, { ...risen, needsPermit: "epoch" })), "needs permit");
  assert.equal(stateOf(rowOf({ unpublished: true })), "unpublished");
  assert.equal(stateOf(rowOf({ unpublished: true }, STOPPED)), "stopped");
});

Deno.test("what a rehearsal was refused with stands until a call has run", () => {
  const provider = { ...PROVIDER, refused: "the interpreter of main is not installed here" };
  const none = { lastRun: null, cannotRun: null, tariff: null, server: null };
  for (const told of [null, none]) {
    const row = rowOf({}, { provider, told });
    assert.equal(stateOf(row), "cannot run");
    assert.match(detailsText(row), /cannot run: the interpreter of main is not installed here/);
    assert.equal(rowJson(row).cannotRun, provider.refused);
    assert.match(tableLines([row], NOW).at(-1)!, /the interpreter of main is not installed here/);
  }
  assert.equal(stateOf(rowOf({}, { provider })), "running");
  assert.equal(rowJson(rowOf({}, { provider })).cannotRun, null);
});

Deno.test("a latest run that nobody told is left out, and one that was not made is null", () => {
  assert.deepEqual(rowJson(rowOf()).lastRun, { ...RUN, at: "2026-11-28T17:56:40.000Z" });
  const nothing = { lastRun: null, cannotRun: null, tariff: null, server: null };
  assert.equal(rowJson(rowOf({}, { told: nothing })).lastRun, null);
  const old = { lastRun: undefined, cannotRun: null, tariff: null, server: null };
  for (const told of [null, old]) {
    assert.ok(!("lastRun" in rowJson(rowOf({}, { told }))));
    assert.doesNotMatch(detailsText(rowOf({}, { told })), /run(s yet| \d)/);
  }
  assert.match(detailsText(rowOf({}, { told: nothing })), /\n {2}no runs yet$/);
});

Deno.test("all about one deployment names its environment, and how its latest run ended", () => {
  const limits = { timeoutMs: 1, memoryMb: 1, concurrency: 1, ownerCreditsPerMinute: 1 };
  const signed = { interface: "cgi", access: "public", egress: [], env: ["A", "B"], limits };
  assert.equal(
    detailsText(rowOf({ signed, labels: ["blog"] })),
    `blog  hello  ./main  since 2026-11-28T15:00:00Z
  ${CID}
  https://paolo.test/blog/
  https://paolo.test/${CID}
  paolo.test, 0.001 USDC a credit at most
  interface cgi
  environment A, B
  running: 12 credits spent, 988 left with paolo.test
  last run 2026-11-28T17:56:40Z: 502, exit 3: the program exited with 3`,
  );
});

Deno.test("ages are told in the largest unit that says something", () => {
  const day = 86_400_000;
  const ages = [-5, 1_999, 119_000, 120_000, 7_199_000, 2 * day - 1, 2 * day];
  assert.deepEqual(ages.map(ageText), ["0 s", "1 s", "119 s", "2 min", "119 min", "47 h", "2 d"]);
});
