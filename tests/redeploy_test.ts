/** Deployments that are known by their names, and deployed again, against a real provider. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { forgetLabel, noteLabel } from "../lib/client/deployments_file.ts";
import { startMarket } from "../worlds/market.ts";
import { NAME, openOwnersHome } from "../worlds/owners_home.ts";

/** A program that answers with its environment, and fails where it is asked to. */
const program = (word: string) =>
  `#!/bin/sh\ncase "$PATH_INFO" in /fail) echo oops >&2; exit 3;; esac\n` +
  `echo "${word} $TOKEN $COLOUR"\n`;

Deno.test("a folder is deployed again by its flags, and five deployments are told apart", async (t) => {
  await using market = await startMarket();
  await using owner = await openOwnersHome(market);
  const dir = join(owner.dir, "pages");
  await Deno.mkdir(dir);
  const write = (word: string) =>
    Deno.writeTextFile(join(dir, "main"), program(word), { mode: 0o755 });
  const fileFlags = (flags: object) =>
    Deno.writeTextFile(join(dir, "khachapuri.json"), JSON.stringify(flags));
  const answer = async (cid: string, path = "") => {
    const response = await fetch(`${market.provider.url}/${cid}${path}`);
    return response.ok ? await response.text() : (await response.body?.cancel(), response.status);
  };
  const cidOf = ({ out, err, code }: { out: string; err: string; code: number }) => {
    assert.equal(code, 0, err);
    return out.split("\n")[0]!;
  };
  const rows = async () => (await owner.run(["deployments", "--json"])).json.deployments;
  await write("one");
  let first = "";

  await t.step("with the flags in khachapuri.json, which are told", async () => {
    const flags = { providers: [NAME], memory: 64, envNames: ["TOKEN"] };
    await fileFlags({ ...flags, env: { TOKEN: "x" } });
    const secret = await owner.run(["deploy", dir, "--accept-terms"]);
    assert.equal(secret.code, 3);
    assert.match(secret.err, /env: values of the environment are secrets/);
    await fileFlags(flags);
    const missing = await owner.run(["deploy", dir, "--accept-terms"]);
    assert.equal(missing.code, 2);
    assert.match(missing.err, /no value is given for TOKEN/);
    assert.deepEqual(await rows(), []);
    const env = ["--env", "TOKEN=hunter2", "--env", "COLOUR=vermilion"];
    const deployed = await owner.run(["deploy", dir, "--accept-terms", "--memory", "32", ...env]);
    first = cidOf(deployed);
    assert.match(
      deployed.err,
      /from khachapuri\.json: --provider paolo\.khachapuri --env-name TOK/,
    );
    assert.match(deployed.err, /a credit, 32 MiB/);
    assert.equal(await answer(first), "one hunter2 vermilion\n");
  });

  await t.step("run takes them from there, too", async () => {
    const { out, err } = await owner.run(["run", "--env", "TOKEN=mine", dir, "/"]);
    assert.equal(out, "one mine \n", err);
    const missing = await owner.run(["run", dir, "/"]);
    assert.equal(missing.code, 2, missing.err);
  });

  await t.step("with no secret noted, and its names for the owner alone", async () => {
    const noted = await Deno.readTextFile(join(owner.dir, "deployments.json"));
    assert.doesNotMatch(noted, /hunter2|vermilion/);
    const { json } = await owner.run(["inspect", "pages", "--json"]);
    assert.deepEqual([json.cid, json.signed.env], [first, ["TOKEN", "COLOUR"]]);
    const keys = join(market.home, "keys.json");
    const masked = await owner.run(["inspect", "pages", "--json", "--keys", keys]);
    assert.deepEqual(masked.json.env, { TOKEN: "(hidden)", COLOUR: "(hidden)" });
  });

  let second = "";
  await t.step("again, with what is not kept given again", async () => {
    await write("two");
    const missing = await owner.run(["redeploy", dir]);
    assert.equal(missing.code, 2);
    assert.match(missing.err, /no value is given for TOKEN, COLOUR/);
    assert.match(missing.err, /give --env TOKEN=VALUE --env COLOUR=VALUE/);
    const envFile = join(owner.dir, "env");
    await Deno.writeTextFile(envFile, "TOKEN=other\nCOLOUR=blue\n");
    const again = await owner.run(["redeploy", dir, "--env-file", envFile, "--timeout", "5"]);
    second = cidOf(again);
    assert.match(
      again.err,
      new RegExp(`^again as ${first} \\(pages at ${NAME}, .* --memory 32`, "m"),
    );
    assert.match(again.err, /terms of paolo\.khachapuri as agreed on/);
    assert.match(again.err, /5 s a credit, 32 MiB/);
    assert.match(again.err, new RegExp(`goes on, at your expense: .* khachapuri stop ${first}`));
    assert.deepEqual(await Promise.all([answer(first), answer(second)]), [
      "one hunter2 vermilion\n",
      "two other blue\n",
    ]);
    const [old, young] = await rows();
    assert.deepEqual([old.isReplaced, young.isReplaced, young.replaces], [true, false, first]);
    // Nothing is, while a name leads there, as after a rollback.
    await noteLabel(owner.dir, first, "back");
    assert.equal((await rows())[0].isReplaced, false);
    await forgetLabel(owner.dir, "back");
    assert.equal((await rows())[0].isReplaced, true);
  });

  await t.step("in place of all that it was before", async () => {
    await write("three");
    const out = await owner.run(["redeploy", "pages", "--stop-old", "--out", "cars"]);
    assert.equal(out.code, 2);
    const third = cidOf(await owner.run(["redeploy", "pages", "--stop-old"]));
    assert.deepEqual(await Promise.all([first, second, third].map((cid) => answer(cid))), [
      410,
      410,
      "three other blue\n",
    ]);
    const listed = await owner.run(["deployments"]);
    assert.match(listed.out, /\n2 that are stopped: khachapuri deployments --all\n$/);
    assert.match((await owner.run(["deployments", "--all"])).out, /\bstopped\b[^]*\bstopped\b/);
    second = third;
  });

  await t.step("and is told by its name and by how its last run ended", async () => {
    assert.equal(await answer(second, "/fail"), 502);
    await noteLabel(owner.dir, second, "blog");
    const { lastRun, namedUrl, label } = (await rows()).at(-1);
    assert.deepEqual([lastRun.status, lastRun.exit], [502, 3]);
    assert.deepEqual([label, namedUrl], ["blog", `${market.provider.url}/blog/`]);
    const [head, row, ...below] = (await owner.run(["deployments"])).out.split("\n");
    assert.match(head!, /^NAME +FOLDER +CID +PROVIDER +AGE +STATE +SPENT +LEFT +LAST RUN +URL$/);
    const cells = ["blog", "pages", second.slice(0, 14), NAME, "\\d+ s", "running", "2", "\\d+"];
    assert.match(row!, new RegExp(`^${cells.join(" +")} +502, \\d s ago +http://\\S+/blog/$`));
    assert.match(
      below.join("\n"),
      new RegExp(`^blog ${second.slice(0, 14)}: .*exited with 3`, "m"),
    );
    const details = await owner.run(["deployments", second.slice(0, 12)]);
    assert.match(details.out, /\n {2}environment TOKEN, COLOUR\n/);
    assert.match(details.out, /\n {2}last run \S+: 502, exit 3: the program exited with 3/);
  });

  await t.step("whatever is to be done with it", async () => {
    assert.match((await owner.run(["logs", "blog"])).out, /GET \/fail 502/);
    const called = await owner.run(["call", "--no-pay", "blog/x"]);
    assert.equal(called.out, "three other blue\n", called.err);
    assert.equal((await owner.run(["permit", "blog", "--json"])).json.cid, second);
    const wrong = await owner.run(["logs", "blgo"]);
    assert.deepEqual([wrong.code, /did you mean blog\?/.test(wrong.err)], [4, true]);
    const other = cidOf(await owner.run(["redeploy", second]));
    const ambiguous = await owner.run(["stop", "pages"]);
    assert.equal(ambiguous.code, 2);
    assert.ok(ambiguous.err.includes(second) && ambiguous.err.includes(other), ambiguous.err);
    assert.equal((await owner.run(["stop", "blog"])).code, 0);
    assert.deepEqual([await answer(second), await answer(other)], [410, "three other blue\n"]);
  });

  await t.step("but nothing that was never deployed", async () => {
    const never = await owner.run(["redeploy", owner.dir]);
    assert.equal(never.code, 4);
    assert.match(never.err, /nothing was deployed from .* yet/);
  });
});
