import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../worlds/home.ts";
import {
  addDeployment,
  forgetLabel,
  labelsOf,
  noteLabel,
  notePublished,
  noteRenewed,
  noteReplaces,
  noteStopped,
  type OwnDeployment,
  readDeployments,
  requireDeployment,
} from "./deployments_file.ts";

const providerOf = (name: string) => ({
  name,
  address: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8" as const,
  chainId: 31_337,
  escrow: "0x5FbDB2315678afecb367f032d93F642f64180aa3" as const,
  webDomain: `https://${name}`,
  price: 1_000n,
  epoch: 0,
});

const deploymentOf = (cid: string): OwnDeployment => ({
  cid,
  id: `0x${"12".repeat(32)}`,
  owner: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
  program: { cid: "bafyprogram", private: false },
  createdAt: "2026-01-01T00:00:00.000Z",
  providers: [providerOf("paolo.test"), providerOf("nino.test")],
});

const STOPPED_AT = "2026-01-02T00:00:00.000Z";

Deno.test("the file keeps deployments and stops, also when written at the same time", () =>
  inFolder(async (home) => {
    const one = deploymentOf("cid");
    const others = Array.from({ length: 5 }, (_, n) => deploymentOf(`cid${n}`));
    await Promise.all([one, ...others].map((each) => addDeployment(home, each)));
    assert.equal((await readDeployments(home)).length, 6);
    await noteStopped(home, one.cid, "paolo.test", STOPPED_AT);
    const { providers, ...rest } = await requireDeployment(home, one.cid);
    const { providers: [first, second], ...expected } = one;
    assert.deepEqual(rest, expected);
    assert.deepEqual(providers, [{ ...first, stoppedAt: STOPPED_AT }, second]);
    for (const other of others) assert.deepEqual(await requireDeployment(home, other.cid), other);
    await assert.rejects(requireDeployment(home, "other"), { code: "not_found" });
    assert.equal((await Deno.stat(join(home, "deployments.json"))).mode! & 0o777, 0o600);
  }));

Deno.test("a deployment is unpublished until it is noted to be published", () =>
  inFolder(async (home) => {
    const [one, other] = [deploymentOf("one"), deploymentOf("other")];
    await addDeployment(home, { ...one, unpublished: true });
    await addDeployment(home, { ...other, unpublished: true });
    await notePublished(home, "one");
    assert.deepEqual(await readDeployments(home), [one, { ...other, unpublished: true }]);
  }));

Deno.test("a name leads to one deployment at a time", () =>
  inFolder(async (home) => {
    for (const cid of ["one", "other"]) await addDeployment(home, deploymentOf(cid));
    const labels = async () => (await readDeployments(home)).map(labelsOf);
    await noteLabel(home, "one", "blog");
    assert.deepEqual(await labels(), [["blog"], []]);
    await noteLabel(home, "other", "blog");
    assert.deepEqual(await labels(), [[], ["blog"]]);
    await noteLabel(home, "one", "shop");
    assert.deepEqual(await labels(), [["shop"], ["blog"]]);
    await forgetLabel(home, "blog");
    assert.deepEqual(await labels(), [["shop"], []]);
  }));

Deno.test("a deployment has as many names as lead to it, the first of which stays its main one", () =>
  inFolder(async (home) => {
    for (const cid of ["one", "other"]) await addDeployment(home, deploymentOf(cid));
    const labels = async () => labelsOf((await readDeployments(home))[0]!);
    for (const label of ["blog", "foo", "bar", "blog"]) await noteLabel(home, "one", label);
    assert.deepEqual(await labels(), ["blog", "foo", "bar"]);
    await forgetLabel(home, "foo");
    await noteLabel(home, "other", "bar");
    assert.deepEqual(await labels(), ["blog"]);
  }));

Deno.test("a file from before there were several names has the one that it says", () =>
  inFolder(async (home) => {
    await addDeployment(home, { ...deploymentOf("cid"), labels: ["blog"] });
    const path = join(home, "deployments.json");
    const text = await Deno.readTextFile(path);
    const before = text.replace(/"labels": \[\s*"blog"\s*\]/, '"label": "blog"');
    assert.notEqual(before, text);
    await Deno.writeTextFile(path, before);
    await noteLabel(home, "cid", "foo");
    const [read] = await readDeployments(home);
    assert.deepEqual(read, { ...deploymentOf("cid"), labels: ["blog", "foo"] });
  }));

Deno.test("what a deployment was made with is kept, and in place of which", () =>
  inFolder(async (home) => {
    const flags = { provider: ["paolo.test"], private: true as const, timeout: "5" };
    const program = { ...deploymentOf("one").program, name: "blog", dir: "/home/nino/blog" };
    await addDeployment(home, { ...deploymentOf("one"), program, flags });
    await noteReplaces(home, "one", "earlier");
    const [one] = await readDeployments(home);
    assert.deepEqual(one, { ...deploymentOf("one"), program, flags, replaces: "earlier" });
  }));

Deno.test("of two permits that a provider took the file keeps the terms of the one that pays", () =>
  inFolder(async (home) => {
    await addDeployment(home, deploymentOf("cid"));
    const termsAfter = async (price: bigint, epoch: number) => {
      await noteRenewed(home, "cid", "paolo.test", { price, epoch });
      const { providers: [first, second] } = await requireDeployment(home, "cid");
      assert.deepEqual(second, providerOf("nino.test"));
      return [first!.price, first!.epoch];
    };
    assert.deepEqual(await termsAfter(2_000n, 0), [2_000n, 0]);
    assert.deepEqual(await termsAfter(1_500n, 0), [2_000n, 0]);
    assert.deepEqual(await termsAfter(500n, 1), [500n, 1]);
    assert.deepEqual(await termsAfter(9_000n, 0), [500n, 1]);
  }));

Deno.test("a file from before there were epochs is of the first", () =>
  inFolder(async (home) => {
    await addDeployment(home, deploymentOf("cid"));
    const path = join(home, "deployments.json");
    const text = await Deno.readTextFile(path);
    assert.match(text, /"epoch": 0/);
    await Deno.writeTextFile(path, text.replaceAll(/,?\s*"epoch": 0/g, ""));
    assert.deepEqual(await readDeployments(home), [deploymentOf("cid")]);
  }));

Deno.test("what was signed is kept; a file from before it was is read as well", () =>
  inFolder(async (home) => {
    const before = deploymentOf("before");
    const limits = { timeoutMs: 1_500, memoryMb: 64, concurrency: 8, ownerCreditsPerMinute: 600 };
    const signed = { interface: "cgi", access: "payer", egress: ["api.test:443"], limits };
    const one = { ...deploymentOf("one"), signed };
    const long = { ...one, cid: "long", signed: { ...signed, limits: { ...limits, credits: 40 } } };
    const server = { listen: "port", port: 3_000, instances: 1 } as const;
    const env = ["TOKEN"];
    const http = { ...one, cid: "http", signed: { ...signed, interface: "http", server, env } };
    for (const each of [before, one, long, http]) await addDeployment(home, each);
    assert.deepEqual(await readDeployments(home), [before, one, long, http]);
  }));

Deno.test("an empty home has no deployments, a damaged file is not taken for none", () =>
  inFolder(async (home) => {
    assert.deepEqual(await readDeployments(home), []);
    await Deno.writeTextFile(join(home, "deployments.json"), "{");
    await assert.rejects(readDeployments(home), { code: "invalid_config" });
  }));

Deno.test("a cid with a wrong letter finds the one that was meant", () =>
  inFolder(async (home) => {
    const cid = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    await addDeployment(home, deploymentOf(cid));
    for (const at of [9, 50]) {
      const wrong = `${cid.slice(0, at)}a${cid.slice(at + 1)}`;
      await assert.rejects(requireDeployment(home, wrong), (error: { hints: string[] }) => {
        assert.equal(error.hints[0], `did you mean ${cid}?`);
        return true;
      });
    }
    const another = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    await assert.rejects(requireDeployment(home, another), (error: { hints: string[] }) => {
      assert.doesNotMatch(error.hints.join(), /did you mean/);
      return true;
    });
  }));
