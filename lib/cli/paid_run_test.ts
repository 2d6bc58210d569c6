import assert from "node:assert/strict";
import { RECEIPT_HEADER } from "../receipt.ts";
import { costLines, PaidRun } from "./paid_run.ts";

Deno.test("what a long run took is told, and of a short one nothing", () => {
  assert.deepEqual(costLines({ credits: 4, outcome: "answered" }, 10n, 40), [
    "the run took 4 credits",
  ]);
  assert.deepEqual(costLines({ credits: 1, outcome: "answered" }, 1n, 40), []);
});

Deno.test("of a run whose paid time was over it is told whether more can be bought", () => {
  const told = (credits: number, asked: bigint, creditsMax: number | null) =>
    costLines({ credits, outcome: "timeout" }, asked, creditsMax)[0];
  assert.equal(
    told(1, 1n, 40),
    "the run took 1 credit, and was ended then: --pay --credits N pays for more, 40 at most",
  );
  assert.match(told(10, 10n, null)!, /10 credits, and was ended then: --pay --credits N pays for/);
  assert.match(told(40, 40n, 40)!, /40 credits, all that one of this deployment may take/);
  assert.match(told(4, 10n, 40)!, /4 credits, and no further one was to be had/);
});

Deno.test("what cannot be found out about a run is said, and takes nothing from its answer", async () => {
  const key = {
    chainId: 31_337,
    escrow: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
    payer: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
    provider: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    lane: `0x${"ab".repeat(32)}`,
  } as const;
  const paid = { ...key, price: 1_000n, credits: 10n, deadline: 0n, epoch: 0 };
  const book = { noteCharged: () => assert.fail("nothing is known") };
  // fetch connects to no port 1.
  const run = new PaidRun({ ...key, webDomain: "http://127.0.0.1:1", asked: 10n, book });
  const response = new Response("40 credits later", {
    headers: { [RECEIPT_HEADER]: "/receipts/a" },
  });
  run.note({ response, paid, hasDeposited: false });
  assert.equal(await run.cost(), null);
  const [line, ...others] = await run.lines();
  assert.match(line!, /^what the run took is not known yet: http:\/\/127\.0\.0\.1:1\/receipts\/a /);
  assert.deepEqual(others, []);
});
