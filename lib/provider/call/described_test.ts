import assert from "node:assert/strict";
import { openCallWorld } from "../../../worlds/calls.ts";
import { openRouteWorld } from "../../../worlds/routes.ts";
import { CID } from "../../../worlds/calls.ts";
import { KhachapuriError } from "../../errors.ts";
import { withDescription } from "./described.ts";

const ABOUT = {
  description: "Says hello.",
  input: { type: "text", example: "Nino" },
  output: { type: "json", example: { said: "hello" } },
  tags: ["hello"],
} as const;
const about = { ...ABOUT, tags: [...ABOUT.tags] };

Deno.test("what is no matter of payment is let be, and so is what nothing is said of", () => {
  const unpaid = new KhachapuriError("payment_required", "no", { creditsMax: 4 });
  assert.equal(withDescription(unpaid, {}), unpaid);
  for (const other of [new KhachapuriError("stopped", "it is"), new TypeError("unforeseen")]) {
    assert.equal(withDescription(other, { about }), other);
  }
  const told = withDescription(unpaid, { about }) as KhachapuriError;
  assert.deepEqual(told.toJSON(), unpaid.toJSON(), "it stands in the header alone");
  assert.equal(told.described!.description, "Says hello.");
});

Deno.test("whoever does not pay is told what its owner says of what was called", async () => {
  for (const stage of ["read", "admit", "hold"] as const) {
    using world = await openCallWorld({ spec: { about } });
    world.before[stage] = () => {
      throw new KhachapuriError("payment_required", "nobody pays");
    };
    await assert.rejects(world.call(), (error: KhachapuriError) => {
      assert.equal(error.described?.mimeType, "application/json", stage);
      return true;
    });
    await world.assertNothingTaken();
  }
});

Deno.test("a 402's header has the words and the extension, and its body has neither", async () => {
  using world = await openRouteWorld({ spec: { about } });
  world.before.admit = () => {
    throw new KhachapuriError("payment_required", "nobody pays");
  };
  const response = await world.ask(`/${CID}`, { method: "POST", body: "Nino" });
  assert.equal(response.status, 402);
  const required = JSON.parse(atob(response.headers.get("payment-required")!));
  const { description, mimeType, tags } = required.resource;
  assert.deepEqual([description, mimeType, tags], ["Says hello.", "application/json", ["hello"]]);
  assert.equal(required.extensions.bazaar.info.input.body, "Nino");
  assert.doesNotMatch(await response.text(), /bazaar/);
});
