/** A CGI program that was written for other servers: git's own. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../worlds/home.ts";
import { startMarket } from "../worlds/market.ts";

const BACKEND = "/usr/lib/git-core/git-http-backend";
const hasGit = (await Deno.stat(BACKEND).catch(() => null)) !== null;

/** Trusts the repository although another user owns it. */
const MAIN = `#!/bin/sh
export GIT_PROJECT_ROOT=$PWD GIT_HTTP_EXPORT_ALL=1
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
exec ${BACKEND}
`;

async function git(cwd: string, ...args: string[]): Promise<string> {
  const settings = ["-c", "user.name=Nino", "-c", "user.email=nino@example.org"];
  const { code, stdout, stderr } = await new Deno.Command("git", {
    args: [...settings, ...args],
    cwd,
    env: { GIT_TERMINAL_PROMPT: "0", GIT_CONFIG_NOSYSTEM: "1", HOME: cwd },
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** The files of a bare repository with one commit, below `repo.git/`. */
async function bareRepository(dir: string): Promise<Record<string, Uint8Array>> {
  await git(dir, "init", "--quiet", "--initial-branch=main", "work");
  const work = join(dir, "work");
  await Deno.writeTextFile(join(work, "khachapuri.txt"), "cheese and dough\n");
  await git(work, "add", ".");
  await git(work, "commit", "--quiet", "-m", "Bake");
  await git(dir, "clone", "--quiet", "--bare", "work", "repo.git");
  const repo = join(dir, "repo.git");
  const files: Record<string, Uint8Array> = {};
  const list = await git(dir, "-C", repo, "rev-parse", "HEAD");
  await Deno.writeTextFile(join(repo, "refs/heads/main"), list);
  for await (const path of filesOf(repo, "")) {
    files[`repo.git${path}`] = await Deno.readFile(join(repo, path));
  }
  return files;
}

async function* filesOf(dir: string, below: string): AsyncIterable<string> {
  for await (const { name, isDirectory } of Deno.readDir(join(dir, below))) {
    const path = `${below}/${name}`;
    if (isDirectory) yield* filesOf(dir, path);
    else if (!path.startsWith("/hooks/")) yield path;
  }
}

Deno.test({ name: "git's own CGI program serves a clone", ignore: !hasGit }, async () => {
  await using market = await startMarket();
  await inFolder(async (dir) => {
    const files = { main: MAIN, ...await bareRepository(dir) };
    const cid = await market.deploy({ files, fields: { interface: "cgi" } });
    await git(dir, "clone", "--quiet", `${market.provider.url}/${cid}/repo.git`, "clone");
    const text = await Deno.readTextFile(join(dir, "clone", "khachapuri.txt"));
    assert.equal(text, "cheese and dough\n");
  });
});
