import assert from "node:assert/strict";
import { KhachapuriError } from "../../errors.ts";
import { refusal } from "../../../worlds/refusal.ts";
import type { ServerResponse } from "./exchange.ts";
import { MeteredResponse } from "./metered_response.ts";

function metered(answer: Partial<ServerResponse>, method = "GET", bytesMax = 100) {
  const heard: string[] = [];
  const response: ServerResponse = {
    status: 200,
    fields: [["content-type", "text/plain"]],
    bodyBytes: null,
    read: () => Promise.resolve(null),
    cancel: () => void heard.push("cancelled"),
    trailers: () => [["x-sum", "1"]],
    tunnel: null,
    ...answer,
  };
  const told = new MeteredResponse(response, method, {
    bytesMax,
    complete: () => void heard.push("complete"),
    closed: () => void heard.push("closed"),
    giveUp: () => void heard.push("given up"),
    tooLarge: () => new KhachapuriError("program_limit", "too large"),
    failure: (thrown) => Promise.resolve(thrown as KhachapuriError),
  });
  return { told, heard };
}

const chunks = (...sizes: number[]) => () => {
  const size = sizes.shift();
  return Promise.resolve(size === undefined ? null : new Uint8Array(size));
};

Deno.test("an answer is complete when its end was read", async () => {
  const { told, heard } = metered({ read: chunks(2, 3) });
  await told.read();
  await told.read();
  assert.deepEqual([heard, told.bytes], [[], 5]);
  assert.equal(await told.read(), null);
  assert.deepEqual(heard, ["complete"]);
  assert.deepEqual([told.status, told.fields, told.trailers()], [
    200,
    [["content-type", "text/plain"]],
    [["x-sum", "1"]],
  ]);
});

Deno.test("an answer of a known length is complete with its last byte", async () => {
  const { told, heard } = metered({ read: chunks(2, 3), bodyBytes: 5 });
  await told.read();
  assert.deepEqual(heard, []);
  await told.read();
  assert.deepEqual(heard, ["complete"]);
});

Deno.test("an answer without a body is complete at once", () => {
  const bare: [Partial<ServerResponse>, string][] = [
    [{ bodyBytes: 0 }, "GET"],
    [{ bodyBytes: 10 }, "HEAD"],
    [{ status: 204 }, "GET"],
    [{ status: 304 }, "GET"],
  ];
  for (const [answer, method] of bare) {
    assert.deepEqual(metered(answer, method).heard, ["complete"]);
  }
  assert.deepEqual(metered({ bodyBytes: 10 }).heard, []);
});

Deno.test("an answer that grows too large, or fails, is told so", async () => {
  const large = metered({ read: chunks(60, 60) });
  await large.told.read();
  assert.equal((await refusal(large.told.read())).message, "too large");
  const broken = new KhachapuriError("program_failed", "it broke");
  const half = metered({ read: () => Promise.reject(broken) });
  assert.equal(await refusal(half.told.read()), broken);
});

Deno.test("an answer can be given up", () => {
  const { told, heard } = metered({});
  told.cancel();
  assert.deepEqual(heard, ["cancelled", "given up"]);
});

Deno.test("a tunnel is counted without a bound, and told from one that its server has not closed", async () => {
  const written: number[] = [];
  const { told, heard } = metered({
    status: 101,
    tunnel: {
      read: chunks(60, 60),
      write: (bytes) => Promise.resolve(void written.push(bytes.length)),
      close: () => void written.push(-1),
    },
  });
  const { tunnel } = told;
  await tunnel!.read();
  await tunnel!.read();
  assert.equal(await tunnel!.read(), null);
  await tunnel!.write(new Uint8Array(7));
  assert.deepEqual([told.bytes, told.sentBytes, heard], [120, 7, []]);
  tunnel!.close();
  assert.deepEqual([written, heard], [[7, -1], ["closed"]]);
});

Deno.test("a tunnel that its reader closes first is complete", async () => {
  const { told, heard } = metered({
    status: 101,
    tunnel: { read: chunks(60), write: () => Promise.resolve(), close: () => {} },
  });
  await told.tunnel!.read();
  told.tunnel!.close();
  assert.deepEqual(heard, ["complete"]);
});
