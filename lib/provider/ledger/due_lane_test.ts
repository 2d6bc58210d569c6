/** A lane that is settled by several permits is due by when the first of them ends. */
import assert from "node:assert/strict";
import {
  drawOf,
  openLedger,
  PAYER,
  permitOf,
  sell,
  signatureOf,
  viewOf,
} from "../../../worlds/ledger.ts";
import { turnOf } from "../settlement/turn.ts";

Deno.test("a permit of the next epoch that ends sooner than its lane's older one is due by then", async () => {
  await using book = await openLedger();
  const { ledger } = book;
  const epochEnd = 1_700_600_000n;
  const view = { ...viewOf(100n), epoch: 0, epochEnd };
  const older = permitOf({ credits: 1n, epoch: 0, deadline: 1_700_500_000n });
  await sell(ledger, drawOf({ permit: older }), view);
  const next = permitOf({
    credits: 100n,
    epoch: 1,
    deadline: 1_700_001_000n,
    signature: signatureOf(2),
  });
  await sell(ledger, drawOf({ permit: next }), view);
  const [due] = await ledger.dueOf(PAYER);
  const ends = { epoch: 0, epochEnd, thawEnd: 0n };
  const { end } = turnOf(due!, ends, { intervalSeconds: 60, windowSeconds: 120 });
  assert.equal(end, 1_700_001_001);
});
