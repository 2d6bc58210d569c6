/** `settle` of a fleet whose node on this machine does not run: whichever node leads settles. */
import { formatUsdc } from "../chain/usdc.ts";
import { KhachapuriError } from "../errors.ts";
import { SETTLE_TIMEOUT_MS } from "../limits.ts";
import { seeFleet } from "../provider/fleet/survey.ts";
import { FleetOperator } from "../provider/settlement/fleet/wishes.ts";
import { askChain } from "../provider/settlement/operator_questions.ts";
import { withinTime } from "../within.ts";
import { operatorOf } from "./books.ts";
import type { CommandContext } from "./command.ts";
import { fleetBooks } from "./fleet_books.ts";

/**
 * Has the leader settle, asked as a node asks it: by a wish in the database, so no node has to be
 * reached from here, and nothing is signed here.
 * @returns what is due then, USDC base units
 * @throws KhachapuriError `provider_unavailable` where no node runs, or none settles in time
 */
export async function settleByFleet(context: CommandContext): Promise<bigint> {
  await using stack = new AsyncDisposableStack();
  const database = await fleetBooks(context, stack);
  const { nodes, dueUsdc } = await seeFleet(database);
  if (nodes.length === 0) throw noneRuns(dueUsdc);
  const [{ address }, chain] = await Promise.all([operatorOf(context), context.chain()]);
  const operator = new FleetOperator({ database, questions: askChain(chain, address, Date.now) });
  stack.defer(() => operator.close());
  context.out.progress("asking the fleet's leader to settle");
  await withinTime(operator.settleNow(), SETTLE_TIMEOUT_MS, late);
  return (await seeFleet(database)).dueUsdc;
}

function noneRuns(due: bigint): KhachapuriError {
  const message = `no node of the fleet runs, and ${formatUsdc(due)} USDC are due: ` +
    "the node that leads settles";
  return new KhachapuriError("provider_unavailable", message, {
    hints: ["start one, on any machine: systemctl start khachapuri; it settles by itself"],
  });
}

function late(): KhachapuriError {
  const message = `no node has settled within ${SETTLE_TIMEOUT_MS / 1_000} s`;
  return new KhachapuriError("provider_unavailable", message, {
    hints: ["khachapuri fleet says which node leads, and its log why it does not settle"],
  });
}
