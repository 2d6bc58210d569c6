import assert from "node:assert/strict";
import fc from "fast-check";
import { freshDatabase, startFleetServer } from "../../../worlds/fleet_database.ts";
import { jsonbText } from "./jsonb.ts";

const SERVER = await startFleetServer();

Deno.test({
  name: "whatever words there are, jsonb takes them, and those that it takes as they are stay so",
  ignore: SERVER === null,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const units = fc.constantFrom(
      "\u0000",
      "\ud800",
      "\udc00",
      "\\u0000",
      "\\",
      '"',
      "é",
      "😀",
      "a",
    );
    const words = fc.array(units, { maxLength: 12 }).map((all) => all.join(""));
    const kept = async (value: unknown) => {
      const [row] = await world.database.ask<{ value: unknown }>(
        "SELECT $1::text::jsonb AS value",
        [jsonbText(value)],
      );
      return row!.value;
    };
    await fc.assert(fc.asyncProperty(words, words, async (one, other) => {
      const told = await kept({ message: one, hints: [other, null, 7] }) as { message: string };
      const isPlain = one.isWellFormed() && !one.includes("\u0000");
      if (isPlain) assert.equal(told.message, one);
      else assert.ok(told.message.includes("\ufffd"));
    }));
    const long = "\u0000".repeat(1_000_000);
    assert.equal(await kept(long), "\ufffd".repeat(1_000_000));
  },
});
