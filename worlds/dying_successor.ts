/** A successor that takes the books of a provider and dies with them in its hands. */
import assert from "node:assert/strict";
import { connectControl } from "../lib/provider/control/control_client.ts";

/** @param book the folder of the provider's books */
export async function takeAndDie(book: string): Promise<void> {
  const lines = (await connectControl(book))!;
  await lines.send({ verb: "take-over", body: { version: 1 } });
  await lines.next();
  await lines.send({ name: "ready", args: [] });
  const { name } = await lines.next() as { name: string };
  assert.equal(name, "yours");
  lines.close();
}
