/**
 * `deno task demo`: walks through the project's sequence diagrams on a local chain, with the real
 * USDC contract, a real sandbox and real curl. Every step prints what it did and is checked; the
 * last line of a run in which all went as it should is "demo ok".
 */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import type { Address } from "viem";
import { formatUsdc } from "../lib/chain/usdc.ts";
import { type LocalWorld, NAME, type Person, startLocalWorld } from "../worlds/local_world.ts";
import { complain, print, stop } from "./print.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const sample = (name: string) => `${ROOT}samples/${name}`;

/** Travels encrypted in the spec; samples/secret signs what is posted with it. */
const SECRET = "adjaruli";

function digestOf(message: string): string {
  return createHash("sha256").update(`${SECRET}\n${message}`).digest("hex");
}

/** Shown instead of what is too long to read. */
const LINE_COLUMNS_MAX = 110;

interface Walk {
  world: LocalWorld;
  coldKey: string;
}

function title(text: string): void {
  print(`\n=== ${text}`);
}

function remark(text: string): void {
  print(`    ${text}`);
}

function shortened(text: string): string {
  return text.length <= LINE_COLUMNS_MAX ? text : `${text.slice(0, LINE_COLUMNS_MAX - 1)}…`;
}

function show(text: string): void {
  for (const line of text.trimEnd().split(/\r?\n/)) if (line !== "") remark(shortened(line));
}

function check(isTrue: boolean, what: string): asserts isTrue {
  if (!isTrue) throw new Error(`demo: not as it should be: ${what}`);
}

/** A person's command with its output, as on a terminal. */
async function command(world: LocalWorld, person: Person, ...args: string[]): Promise<string> {
  const words = args.map((word) => /[\s'"]/.test(word) ? `'${word}'` : word);
  print(
    shortened(
      `${person}$ khachapuri ${words.join(" ").replaceAll(world.dir, "~").replaceAll(ROOT, "")}`,
    ),
  );
  const { code, stdout, stderr } = await world.run(person, ...args);
  show(stdout.replaceAll(world.dir, "~"));
  show(stderr.replaceAll(world.dir, "~"));
  check(code === 0, `exit code 0 of ${args[0]}, not ${code}`);
  return stdout.trim();
}

interface Answer {
  status: number;
  body: string;
}

/** A real curl; prints status line and body. */
async function curl(person: Person, ...args: string[]): Promise<Answer> {
  const words = args.map((word) => /[\s'"{]/.test(word) ? `'${word}'` : word);
  print(`${person}$ curl -i ${words.map(shortened).join(" ")}`);
  const { code, stdout, stderr } = await new Deno.Command("curl", {
    args: ["-q", "-sS", "-i", ...args],
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(stdout);
  check(code === 0, `curl works: ${new TextDecoder().decode(stderr)}`);
  const end = text.indexOf("\r\n\r\n");
  const [statusLine = ""] = text.split("\r\n");
  const body = text.slice(end + 4);
  remark(statusLine);
  show(body);
  return { status: Number(statusLine.split(" ")[1]), body };
}

interface Money {
  credits: bigint;
  earned: bigint;
}

/** What an allowance holds, and what the provider has earned, on chain. */
async function money(world: LocalWorld, payer: "developer" | "caller"): Promise<Money> {
  const { readAllowance } = await import("../lib/chain/escrow.ts");
  const { earned } = await import("../lib/chain/escrow_provider.ts");
  const { chain, escrow, addresses } = world;
  const allowance = await readAllowance(chain, escrow, addresses[payer], addresses.provider);
  return { credits: allowance.credits, earned: await earned(chain, escrow, addresses.provider) };
}

async function tellMoney(
  world: LocalWorld,
  payer: "developer" | "caller",
  before: Money,
): Promise<Money> {
  const after = await money(world, payer);
  remark(
    `on chain: ${payer}'s credits ${before.credits} → ${after.credits}, provider's earnings ` +
      `${formatUsdc(before.earned)} → ${formatUsdc(after.earned)} USDC`,
  );
  return after;
}

async function registerProvider({ world, coldKey }: Walk): Promise<void> {
  title("Register provider: deploy(address, domain, publicKey), register(hash(domain), resolver)");
  await command(world, "root", "assign", NAME, world.addresses.provider);
  await command(world, "provider", "register", "--keys", coldKey);
  await world.serve();
  remark(`serving at ${world.webDomain}`);
  await command(world, "developer", "resolve", NAME);
}

async function deployProgram({ world }: Walk): Promise<string> {
  title("Deployment: zip and spec to IPFS, terms signed, spec encrypted to the provider's key");
  const flags = ["--provider", NAME, "--env", `SIGNING_KEY=${SECRET}`, "--accept-terms"];
  const said = await command(world, "developer", "deploy", sample("secret"), ...flags);
  const [cid = ""] = said.split("\n");
  check(/^baf[a-z2-7]{56}$/.test(cid), `a deployment cid, not ${cid}`);
  return cid;
}

async function allowSpending({ world }: Walk): Promise<void> {
  title("Allow provider spending: deposit(usdc), allow(provider, pricePerCredit, credits)");
  await command(world, "developer", "deposit", "5");
  await command(world, "developer", "allow", NAME, "--credits", "100");
  await command(world, "developer", "balance", NAME);
}

async function makeRequest({ world }: Walk, cid: string): Promise<void> {
  title("Make request to provider: POST {domain}/{cid}, paid by the deployment's owner");
  const before = await money(world, "developer");
  const url = `${world.webDomain}/${cid}`;
  const answer = await curl("caller", "-X", "POST", url, "-d", "khinkali");
  check(answer.status === 200, "the call is answered with 200");
  check(answer.body.trim() === digestOf("khinkali"), "it signed with the spec's secret");
  const after = await tellMoney(world, "developer", before);
  check(after.credits === before.credits - 1n, "one credit was taken from the owner");
  const { host } = new URL(world.webDomain);
  const own = await curl("caller", `http://${cid}.${host}/`);
  check(own.status === 200, "the deployment has an origin of its own, too");
}

async function payByHeader({ world }: Walk, cid: string): Promise<string> {
  title("Provider program execution: a caller pays with a permit; consume(price, permit)");
  await command(world, "caller", "deposit", "1");
  await command(world, "caller", "allow", NAME, "--credits", "10");
  const before = await money(world, "caller");
  const header = await permit(world);
  const url = `${world.webDomain}/${cid}/path?query=1`;
  const answer = await curl("caller", "-H", header, url);
  check(answer.status === 200, "the call is answered with 200");
  const after = await tellMoney(world, "caller", before);
  check(after.credits === before.credits - 1n, "one credit was taken from the caller");
  check(after.earned > before.earned, "the provider has earned it");
  const called = ["call", "--pay", `${NAME}/${cid}`, "-d", "lobiani"];
  const said = await command(world, "caller", ...called);
  check(said === digestOf("lobiani"), "`call` resolves, pays and calls");
  return header;
}

/** A permit for one credit as the header line that curl takes. */
async function permit(world: LocalWorld): Promise<string> {
  const said = await command(world, "caller", "permit", NAME, "--credits", "1");
  const value = /[A-Za-z0-9+/]{100,}={0,2}/.exec(said)?.[0];
  check(value !== undefined, "`permit` prints a header's value");
  return `PAYMENT-SIGNATURE: ${value}`;
}

async function refusals({ world }: Walk, cid: string, usedUp: string): Promise<void> {
  title("The same, not allowed: FAIL, and nobody is charged");
  const before = await money(world, "caller");
  const url = `${world.webDomain}/${cid}`;
  const replayed = await curl("caller", "-H", usedUp, url);
  check(replayed.status === 402, "a permit that is used up is refused with 402");
  const claimed = await curl("caller", "-H", `payer: ${world.addresses.developer}`, url);
  check(claimed.status === 402, "an address without a signature pays nothing");
  const after = await tellMoney(world, "caller", before);
  check(after.credits === before.credits, "nobody was charged");
}

async function timeout({ world }: Walk): Promise<void> {
  title("A program that never answers is ended, with all that it started");
  const flags = ["--provider", NAME, "--timeout", "2", "--accept-terms"];
  const said = await command(world, "developer", "deploy", sample("sleepy"), ...flags);
  const [cid = ""] = said.split("\n");
  const before = await money(world, "developer");
  const answer = await curl("caller", `${world.webDomain}/${cid}`);
  check(answer.status === 504, "a timeout is answered with 504");
  const after = await tellMoney(world, "developer", before);
  check(after.credits === before.credits - 1n, "the program's own failure costs its credit");
}

async function moneyOut({ world, coldKey }: Walk): Promise<void> {
  title("The money: earnings to the provider, the rest back to who paid it in");
  const wallet = async (address: Address) => await world.wallet(address);
  const before = await wallet(world.addresses.provider);
  await command(world, "provider", "collect", "--keys", coldKey);
  const collected = await wallet(world.addresses.provider) - before;
  remark(`the provider's wallet: +${formatUsdc(collected)} USDC`);
  check(collected > 0n, "the provider has its USDC");
  await command(world, "developer", "withdraw", "all");
  await command(world, "developer", "revoke", NAME, "--credits", "50");
}

async function main(): Promise<void> {
  title("A world on this machine");
  await using world = await startLocalWorld({ tell: remark });
  const walk = { world, coldKey: join(world.home("provider"), "provider-key.json") };
  await registerProvider(walk);
  await allowSpending(walk);
  const cid = await deployProgram(walk);
  await makeRequest(walk, cid);
  const header = await payByHeader(walk, cid);
  await refusals(walk, cid, header);
  await timeout(walk);
  await moneyOut(walk);
}

const USAGE = `usage: deno task demo

Walks through the project's sequence diagrams on a local chain, and takes no arguments.`;

if (import.meta.main) {
  const [argument] = Deno.args;
  if (argument === "--help" || argument === "-h") {
    print(USAGE);
    Deno.exit(0);
  }
  if (argument !== undefined) stop([`demo: unknown argument ${argument}`, USAGE]);
  try {
    await main();
    print("\ndemo ok");
  } catch (error) {
    complain(`\n${error instanceof Error ? error.stack ?? error.message : error}`);
    complain("demo failed");
    Deno.exitCode = 1;
  }
}
