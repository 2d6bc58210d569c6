/** Whatever a server says on its connection: requests end, once, with an answer or a reason. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { chunksSource } from "../../byte_source.ts";
import { llhttpAnswer } from "../../../worlds/llhttp.ts";
import { bytesOf, openScriptedServer, type ServerSide } from "../../../worlds/scripted_server.ts";
import { answer, cuts, jumbled, method, tampered } from "../../../worlds/server_answers.ts";
import { bodyOf } from "../../../worlds/server_connection.ts";
import { serverRequest } from "../../../worlds/server_request.ts";
import { KhachapuriError } from "../../errors.ts";
import { ServerConnection } from "./connection.ts";
import type { ServerRequest } from "./exchange.ts";

const RUNS = Number(Deno.env.get("KHACHAPURI_RUNS") ?? 150);

/** Writes the octets in parts of these sizes; what can be read of them was written apart. */
async function writeCut(server: ServerSide, octets: string, sizes: readonly number[]) {
  for (let at = 0, cut = 0; at < octets.length; cut++) {
    const size = sizes[cut % sizes.length]!;
    await server.write(octets.slice(at, at + size)).catch(() => {});
    at += size;
  }
}

/** @returns the body; null when the exchange failed for a reason that is the program's */
async function bodyOrFailure(
  connection: ServerConnection,
  request: ServerRequest,
): Promise<string | null> {
  try {
    const response = await connection.send(request);
    response.tunnel?.close();
    return await bodyOf(response);
  } catch (error) {
    assert.ok(error instanceof KhachapuriError && error.code === "program_failed", `${error}`);
    return null;
  }
}

const request = fc.tuple(method, fc.nat(2), fc.boolean()).map(([how, parts, isUpgrade]) => {
  if (isUpgrade) return serverRequest({ upgrade: "websocket" });
  const body = Array.from({ length: parts }, () => bytesOf("some of it"));
  return serverRequest({ method: how, body: parts === 0 ? null : chunksSource(body) });
});

Deno.test("whatever a server says, a request ends once, with an answer or a reason", async () => {
  await using scripted = await openScriptedServer();
  const octets = fc.oneof(answer, tampered, jumbled, fc.string({ unit: "binary-ascii" }));
  await fc.assert(
    fc.asyncProperty(octets, cuts, request, fc.boolean(), async (said, sizes, asked, isEarly) => {
      const accepted = scripted.accept();
      const connection = await ServerConnection.open(scripted.path);
      const freed: boolean[] = [];
      connection.whenFree((isReusable) => freed.push(isReusable));
      const server = await accepted;
      const outcome = bodyOrFailure(connection, asked);
      if (!isEarly) await server.until("\r\n\r\n");
      await writeCut(server, said, sizes);
      server.close();
      await outcome;
      assert.equal(freed.length, 1);
      connection.close();
      assert.equal(freed.length, 1);
    }),
    { numRuns: RUNS },
  );
});

Deno.test("answers come one after another as they were written", async () => {
  await using scripted = await openScriptedServer();
  const kept = fc.tuple(answer, method).filter(([octets]) => /^HTTP\/1.1 [2-5]/.test(octets));
  await fc.assert(
    fc.asyncProperty(fc.array(kept, { minLength: 1, maxLength: 6 }), cuts, async (list, sizes) => {
      const accepted = scripted.accept();
      const connection = await ServerConnection.open(scripted.path);
      const server = await accepted;
      for (const [octets, how] of list) {
        if (!connection.isOpen) break;
        const outcome = bodyOrFailure(connection, serverRequest({ method: how }));
        await server.until("\r\n\r\n");
        await writeCut(server, octets, sizes);
        // What only the connection's end ends.
        if (isEndless(octets)) server.close();
        assert.equal(await outcome, llhttpAnswer(bytesOf(octets), how)?.body);
      }
      connection.close();
      server.close();
    }),
    { numRuns: RUNS },
  );
});

function isEndless(octets: string): boolean {
  return !/^(?:content-length|transfer-encoding):/im.test(octets.split("\r\n\r\n")[0]!);
}
