import assert from "node:assert/strict";
import {
  addDeployment,
  noteLabel,
  noteStopped,
  type OwnDeployment,
} from "../client/deployments_file.ts";
import { inFolder } from "../../worlds/home.ts";
import { callTarget } from "./call_target.ts";
import type { CommandContext } from "./command.ts";
import { deploymentReference, ownDeployment } from "./own_deployment.ts";

/** As a command in that home finds it, without a chain or a provider to ask. */
const targetIn = (home: string, text: string) => callTarget({ home } as CommandContext, text);

const CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
const OTHER = "bafkreidemmqlmqdpqk7lsdyloixljwge6aoivo3oyizzs4v37wdssmmwtm";

const providerOf = (name: string) => ({
  name,
  address: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8" as const,
  chainId: 31_337,
  escrow: "0x5FbDB2315678afecb367f032d93F642f64180aa3" as const,
  webDomain: `https://${name}`,
  price: 1_000n,
  epoch: 0,
});

const deploymentOf = (cid: string, ...names: string[]): OwnDeployment => ({
  cid,
  id: `0x${"12".repeat(32)}`,
  owner: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
  program: { cid: "bafyprogram", private: false },
  createdAt: "2026-01-01T00:00:00.000Z",
  providers: names.map(providerOf),
});

async function inHome(test: (home: string) => Promise<void>): Promise<void> {
  await inFolder(async (home) => {
    await addDeployment(home, deploymentOf(CID, "paolo.test", "nino.test"));
    await addDeployment(home, deploymentOf(OTHER, "paolo.test"));
    await test(home);
  });
}

Deno.test("a deployment of one's own is at all its providers, or at the one that is named", () =>
  inHome(async (home) => {
    const names = async (text: string, flag?: string) =>
      (await ownDeployment(home, text, flag)).providers.map(({ name }) => name);
    assert.deepEqual(await names(CID), ["paolo.test", "nino.test"]);
    assert.deepEqual(await names(CID, "nino.test"), ["nino.test"]);
    assert.deepEqual(await names(`nino.test/${CID}`), ["nino.test"]);
    assert.deepEqual(await names(`https://paolo.test/${CID}/x`), ["paolo.test"]);
    assert.deepEqual(await names(`https://${CID}.nino.test/`), ["nino.test"]);
    const refused: [string, string | undefined][] = [
      [CID, "mari.test"],
      [`https://paolo.test/${CID}`, "nino.test"],
      [`mari.test/${CID}`, undefined],
    ];
    for (const [text, flag] of refused) {
      await assert.rejects(names(text, flag), {
        code: "not_found",
        hints: ["it is at paolo.test, nino.test: give its cid, or --provider NAME"],
      });
    }
  }));

Deno.test("call knows a provider by what was deployed, and asks back where it is not clear", () =>
  inHome(async (home) => {
    const target = { name: "paolo.test", cid: OTHER, path: "/a?b" };
    assert.deepEqual(await targetIn(home, `paolo.test/${OTHER}/a?b`), target);
    assert.deepEqual(await targetIn(home, `https://paolo.test/${OTHER}/a?b`), target);
    assert.deepEqual(await targetIn(home, `${OTHER}/a?b`), target);
    await assert.rejects(targetIn(home, CID), {
      code: "usage",
      hints: [`paolo.test/${CID}`, `nino.test/${CID}`],
    });
  }));

Deno.test("call asks whoever serves at a URL for its name, to be confirmed by the chain", () =>
  inFolder(async (home) => {
    await using server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      () => Response.json({ name: "paolo.test" }),
    );
    const webDomain = `http://127.0.0.1:${server.addr.port}`;
    assert.deepEqual(await targetIn(home, `${webDomain}/${CID}/x`), {
      name: "paolo.test",
      cid: CID,
      path: "/x",
      webDomain,
    });
  }));

Deno.test("a deployment of one's own is known by its name, its folder and how its cid begins", () =>
  inHome(async (home) => {
    const blog = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    const program = { cid: "bafyprogram", private: false, name: "pages" };
    await addDeployment(home, { ...deploymentOf(blog, "paolo.test"), program });
    await noteLabel(home, blog, "blog.eth");
    const at = (text: string) => deploymentReference(home, text);
    const here = { cid: blog, path: "", provider: null };
    for (const word of ["blog.eth", "pages", blog.slice(0, 12)]) {
      assert.deepEqual(await at(word), here);
      assert.deepEqual(await at(`${word}/a?b#c`), { ...here, path: "/a?b" });
      const provider = { name: "paolo.test" };
      assert.deepEqual(await at(`paolo.test/${word}/a`), { ...here, path: "/a", provider });
    }
    const provider = { webDomain: "https://paolo.test" };
    assert.deepEqual(await at("https://paolo.test/blog.eth/a"), { ...here, path: "/a", provider });
    assert.deepEqual(await at("https://pages.paolo.test?q"), { ...here, path: "?q", provider });
    assert.deepEqual(await targetIn(home, "pages/x"), {
      cid: blog,
      path: "/x",
      name: "paolo.test",
    });
  }));

Deno.test("what several are called is asked back, with all of them; what has ended is not meant", () =>
  inHome(async (home) => {
    const named = async (cid: string, name: string) => {
      const program = { cid: "bafyprogram", private: false, name };
      await addDeployment(home, { ...deploymentOf(cid, "paolo.test"), program });
    };
    const first = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    const second = "bafkreihdwdafkqyzl7gdxuwvxxh63nwffzbcrvvw7i5h5mjgtj6eh3mxqe";
    await named(first, "pages");
    await named(second, "pages");
    const at = (text: string) => deploymentReference(home, text).then(({ cid }) => cid);
    const both = (error: { code: string; hints: string[] }) => {
      assert.equal(error.code, "usage");
      assert.match(error.hints[0]!, new RegExp(`^${first} \\(pages at paolo.test, since 2026-`));
      return error.hints[1]!.startsWith(second);
    };
    await assert.rejects(at("pages"), both);
    await assert.rejects(at(first.slice(0, 11)), both);
    assert.equal(await at(first.slice(0, 12)), first);
    await noteStopped(home, first, "paolo.test", "2026-01-02T00:00:00.000Z");
    assert.equal(await at("pages"), second);
    await noteStopped(home, second, "paolo.test", "2026-01-02T00:00:00.000Z");
    assert.equal(await at("pages"), second);
  }));

Deno.test("what nothing is called is told, with what it is near to, and a slip in a cid as before", () =>
  inHome(async (home) => {
    await noteLabel(home, CID, "blog");
    const at = (text: string) => deploymentReference(home, text);
    await assert.rejects(at("bolg"), (error: { code: string; hints: string[] }) => {
      assert.equal(error.code, "not_found");
      return error.hints[0] === "did you mean blog?";
    });
    for (const text of ["bafkrei", CID.slice(7, 30), "paolo.test", "paolo.test/shop"]) {
      await assert.rejects(at(text), { code: "not_found" }, text);
    }
    await assert.rejects(at("else.test/shop"), { code: "invalid_cid" });
    await assert.rejects(at(`${CID}x`), {
      code: "invalid_cid",
      message: /is no CID: it has/,
    });
    await assert.rejects(at("https://paolo.test/"), { code: "usage" });
  }));

Deno.test("what is meant for a cid is told what is wrong with it, wherever it stands", () =>
  inHome(async (home) => {
    const strange = "bafkreihdwdafkqyzl7gdxuwvxxh63nwffzbcrvvw7i5h5mjgtj6eh3mxqe";
    const slips: [string, RegExp][] = [
      [strange.slice(0, -1), /is no CID: it has 58 characters/],
      [`${strange.slice(0, 20)}1${strange.slice(21)}`, /is no CID: it has "1" in it/],
      [`${strange.slice(0, 8)}h5zz`, /is no CID: it has 12 characters/],
      [strange.toUpperCase(), /is no CID: it has capital letters/],
      ["bafk…h5", /is no CID: it is cut short/],
      ["bafk...h5", /is no CID/],
    ];
    for (const [slip, message] of slips) {
      for (const text of [slip, `${slip}/x`, `paolo.test/${slip}`, `paolo.test/${slip}/x?y`]) {
        // Dots make a provider of it.
        if (text.startsWith("bafk..")) continue;
        await assert.rejects(deploymentReference(home, text), { code: "invalid_cid", message });
        await assert.rejects(targetIn(home, text), { code: "invalid_cid", message }, text);
      }
    }
  }));
