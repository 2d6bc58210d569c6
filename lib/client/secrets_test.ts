import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../worlds/home.ts";
import { readProgram } from "../spec/pack.ts";
import { listProgram } from "../spec/program_listing.ts";
import { findSecrets, secretIn } from "./secrets.ts";

/** Put together here, so that nobody who looks for secrets finds any in this file. */
const joined = (...parts: string[]) => parts.join("");
const PEM = joined(
  "-----BEGIN ",
  "PRIVATE KEY-----\n",
  "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw".repeat(3),
);
const ESCAPED = JSON.stringify({ type: "service_account", private_key: PEM });
const HEX = "4f3edf983ac636a65a842ce7c78d9aa706d3b113bce9c46f30d7d21715b23b1d";
const WORDS = "legal winner thank year wave sausage worth useful legal winner thank yellow";
const KEYSTORE = JSON.stringify({ version: 3, crypto: { cipher: "aes-128-ctr", ciphertext: HEX } });
const AGE = joined("AGE-SECRET-KEY-", "1", "Q".repeat(58));

const SECRET: readonly [path: string, text: string][] = [
  [".ssh/id_ed25519", "x"],
  [".ssh/config", "Host a"],
  ["deploy/id_rsa", "x"],
  ["tls/server.key", PEM],
  ["server.pem", joined("-----BEGIN ", "EC PRIVATE KEY-----\nMHc\n")],
  ["notes.txt", PEM],
  ["firebase.json", ESCAPED],
  ["src/config.js", `const key = ${JSON.stringify(PEM)};`],
  [".env", "KEY=1"],
  [".env.production", "export KEY='1'"],
  ["config/prod.env", "A=\nKEY=1"],
  [".npmrc", joined("//registry.example/:_auth", "Token=abcdef")],
  [".netrc", "machine a login b password c"],
  [".pgpass", "localhost:5432:db:user:word"],
  ["repo.git/config", "[remote]\n\turl = https://ana:word@git.example/a"],
  ["deployer.json", JSON.stringify({ version: 1, account: `0x${HEX}` })],
  [".git-credentials", "https://ana:word@git.example"],
  [".aws/credentials", "[default]\naws_secret_access_key = x"],
  [".docker/config.json", '{"auths":{"r.example":{"auth":"YWJj"}}}'],
  ["secrets.json", '{"key":"value"}'],
  ["client_secret.json", '{"key":"value"}'],
  [".kube/config", "token: abc"],
  ["home/keys.json", '{"version":1,"account":"0x"}'],
  ["store.p12", "\0"],
  ["wallets/UTC--2026", KEYSTORE],
  ["agekey.txt", `# created\n${AGE}\n`],
  ["deploy.sh", `PRIVATE_KEY=0x${HEX}`],
  ["hardhat.config.js", `mnemonic: "${WORDS}"`],
  ["a.js", joined("ghp", "_", "a1".repeat(18))],
  ["a.js", joined("github", "_pat_", "a1".repeat(40))],
  ["a.js", joined("xox", "b-123456789012-abcdefghijkl")],
  ["a.js", joined("AKI", "A", "ABCDEFGHIJKLMNOP")],
  ["a.js", joined("sk", "_live_", "a1".repeat(12))],
  [".env.production.local", "A=1"],
  [".env~", "A=1"],
  ["prod.env.bak", "A=1"],
  ["env.prod", "A=1"],
  [".env", "KEY: 1"],
  [".dev.vars", "A=1"],
  ["aws/credentials", "[default]\naws_secret_access_key=abc"],
  ["rootkey.csv", joined("AWSSecret", "Key=", "aB3".repeat(13), "z")],
  ["settings.py", joined("AWS_SECRET_ACCESS", '_KEY = "', "aB3".repeat(13), 'z"')],
  ["server.key", "0\x82\x04\xbd\x02\x01\x000"],
  ["key.der", "0w\x02\x01\x01\x04 "],
  ["key.gpg", "\x95\x03\xbe"],
  ["secring.gpg", "x"],
  ["private-keys-v1.d/A.key", "x"],
  [".netrc.bak", "machine a login b password c"],
  ["config.json", '{"auths":{"https://r.example":{"auth":"YWJj"}}}'],
  ["application_default_credentials.json", '{"refresh_token":"1//abc"}'],
  ["git-credentials", "https://ana:word@git.example"],
  ["admin.conf", `kind: Config\nusers:\n- user:\n    client-key-data: ${"LS0t".repeat(12)}`],
  ["prod.tfvars", 'db_password = "hunter2"'],
  [".terraform/terraform.tfstate", '{"backend":{"config":{"secret_key":"y"}}}'],
  ["rclone.conf", "[s3]\nsecret_access_key = abc"],
  [".s3cfg", "secret_key = y"],
  [".azure/accessTokens.json", '[{"accessToken":"x"}]'],
  ["auth.json", '{"github-oauth":{"github.com":"x"}}'],
  ["settings.xml", "<server><password>x</password></server>"],
  ["NuGet.Config", '<add key="ClearTextPassword" value="x"/>'],
  [".bundle/config", 'BUNDLE_GEMS__EXAMPLE: "u:p"'],
  ["wp-config.php", "define('DB_PASSWORD', 'hunter2');"],
  ["config/database.yml", "production:\n  password: hunter2"],
  [".bash_history", "export TOKEN=abc"],
  ["app.py", joined('DB="postgres://ana:', 'hunter2@db.prod.internal/x"')],
  ["node_modules/own/a.js", joined("npm", "_", "a1".repeat(18))],
];

const HARMLESS: readonly [path: string, text: string][] = [
  ["main", "#!/bin/sh\n. ./.env\n"],
  [".env.example", "KEY=change-me"],
  [".env.sample", "KEY=1"],
  [".env", "# KEY=\nKEY=\nOTHER=\n"],
  [".npmrc", "save-exact=true\n//registry.example/:_authToken=${NPM_TOKEN}"],
  [".ssh/id_ed25519.pub", "ssh-ed25519 AAAA"],
  ["ca.pem", "-----BEGIN CERTIFICATE-----\nMIIE"],
  ["key.js", "export const key = 1"],
  ["README.md", "It begins with -----BEGIN PRIVATE KEY----- and ends so."],
  ["parse.js", 'if (line === "-----BEGIN PRIVATE KEY-----") begin();'],
  ["node_modules/tls/test/server.key", PEM],
  ["node_modules/dotenv/test/.env", "KEY=1"],
  ["node_modules/ssh2/test/id_rsa", PEM],
  ["aws.md", "AKIAIOSFODNN7EXAMPLE"],
  ["foundry.sh", "PRIVATE_KEY=0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"],
  ["zero.js", `privateKey: "0x${"0".repeat(64)}"`],
  ["test.js", 'mnemonic: "test test test test test test test test test test test junk"'],
  ["keys.json", '{"left":37,"right":39}'],
  ["i18n.json", '{"secret key":"Geheimer Schlüssel","mnemonic":"Wörter"}'],
  [".docker/config.json", '{"credsStore":"desktop"}'],
  ["repo.git/config", "[remote]\n\turl = https://git.example/a\n\turl = ssh://git@git.example/b"],
  ["README.md", "postgres://user:password@localhost/db, postgres://user:pw@db.example.com/x"],
  ["docker-compose.yml", "URL: postgres://u:${PASSWORD}@db.prod.internal/x"],
  ["config/database.yml", "password: <%= ENV['PASSWORD'] %>"],
  ["prod.tfvars", 'region = "eu"\nbucket = "b"'],
  ["aws.py", "aws_secret_access_key = os.environ['KEY']"],
  ["cert.der", "0\x82\x04\xbd0\x82\x03"],
  ["pubring.gpg", "\x99\x01"],
  ["settings.xml", "<password>${env.TOKEN}</password>"],
  ["environment.ts", "export const a = 1"],
  ["env.js", "A=1"],
  ["src/credentials.ts", "token: x"],
  ["tokens.css", ":root{--token:1px}"],
];

Deno.test("what must not become public is found by its name and by what it holds", () => {
  for (const [path, text] of SECRET) {
    assert.notEqual(secretIn(path, text), null, `${path}: ${text}`);
  }
});

Deno.test("what only looks a little like it is left in peace", () => {
  for (const [path, text] of HARMLESS) assert.equal(secretIn(path, text), null, `${path}: ${text}`);
});

Deno.test("all files of a program are looked through, each is told with why", () =>
  inFolder(async (dir) => {
    await Deno.writeTextFile(join(dir, "main"), "#!/bin/sh\n");
    await Deno.mkdir(join(dir, "a b"));
    await Deno.writeTextFile(join(dir, "a b", ".env"), "KEY=1");
    await Deno.writeTextFile(join(dir, "notes"), PEM);
    await Deno.symlink("notes", join(dir, "link"));
    assert.deepEqual(findSecrets(await readProgram(dir, await listProgram(dir))), [
      { path: "a b/.env", why: "environment variables" },
      { path: "notes", why: "a private key" },
    ]);
  }));
