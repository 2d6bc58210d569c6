/** Our 402s as stock clients of x402 read them, in both versions of the protocol. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { KhachapuriError } from "../../lib/errors.ts";
import { REQUEST_TARGET_BYTES_MAX } from "../../lib/limits.ts";
import type { Accept } from "../../lib/payment_required.ts";
import { failureOf } from "../../lib/provider/http/failure.ts";
import { resourceOf } from "../../lib/provider/http/resource.ts";
import { startMarket } from "../../worlds/market.ts";
import { folderOf, X402 } from "./packages.ts";
import { withPeer } from "./with_peer.ts";

interface Told {
  header: string | null;
  body: unknown;
}

/** What a stock client does not take, by name; nothing where it takes all. */
async function complaintsOn(answers: Readonly<Record<string, Told>>): Promise<object> {
  const program = join(import.meta.dirname!, "x402_reader.ts");
  const run = ["run", "--quiet", "--no-config", "--no-lock", "--no-prompt", "--allow-read"];
  const child = new Deno.Command(Deno.execPath(), {
    args: [...run, "--allow-env", "--node-modules-dir=manual", program, folderOf(X402)],
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  await new Blob([JSON.stringify(answers)]).stream().pipeTo(child.stdin);
  const { success, stdout, stderr } = await output;
  assert.ok(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

const EXACT: Accept & Record<string, unknown> = {
  scheme: "exact",
  network: "eip155:8453",
  amount: "10000",
  asset: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
  payTo: "0x209693Bc6afc0C5328bA36FaF03C514EF312287C",
  maxTimeoutSeconds: 60,
  extra: { name: "USD Coin", version: "2" },
};

/** A 402 for `query`, as the provider makes it; @param isV1 as a client that reads its body */
function told(query: string, about: Parameters<typeof resourceOf>[3], isV1: boolean): Told {
  const service = { name: "paolo.eth", webDomain: new URL("https://paolo.example") };
  const asked = { host: "x", path: "/bafk", query };
  const resource = resourceOf(service, { form: "path" }, asked, about);
  const error = new KhachapuriError("payment_required", "nobody pays");
  const failure = failureOf(error, { accepts: () => [EXACT], resource, page: null });
  const header = new Headers(failure.headers).get("payment-required");
  const body = JSON.parse(new TextDecoder().decode(failure.body));
  return { header: isV1 ? null : header, body };
}

Deno.test(
  "a stock client reads what we ask for, in either version",
  withPeer(X402, async () => {
    const about = {
      description: "ქართული ".repeat(100),
      mimeType: "text/plain",
      tags: ["compute", "bread"],
    };
    const long = "%41".repeat(REQUEST_TARGET_BYTES_MAX / 3 - 5);
    const answers: Record<string, Told> = {};
    for (
      const [name, query, said] of [
        ["plain", "", null],
        ["about", "a=b&c=%2f", about],
        ["long", long, about],
      ] as const
    ) {
      answers[`${name}, version 2`] = told(query, said, false);
      answers[`${name}, version 1`] = told(query, said, true);
    }
    assert.deepEqual(await complaintsOn(answers), {});
    // It does look: a bare code is no 402 of either version.
    const spoiled = { spoiled: { header: null, body: { error: "payment_required" } } };
    assert.deepEqual(Object.keys(await complaintsOn(spoiled)), ["spoiled"]);
  }),
);

Deno.test(
  "a stock client reads the 402 of a provider",
  withPeer(X402, async () => {
    await using market = await startMarket();
    const cid = await market.deploy({
      files: { main: "#!/bin/sh\necho hello\n" },
      fields: { access: "payer" },
    });
    const target = `/${cid}/a?b=%2f`;
    const post = { method: "POST", body: "x" };
    const response = await fetch(`${market.provider.url}${target}`, post);
    assert.equal(response.status, 402);
    const header = response.headers.get("payment-required")!;
    // The market's provider is reached at an address that it is not configured by.
    assert.equal(JSON.parse(atob(header)).resource.url, `http://provider.test${target}`);
    const body = await response.json();
    assert.deepEqual(await complaintsOn({ real: { header, body } }), {});
  }),
);
