/**
 * What of a program's files looks like a secret, by name and by content. Whatever a program holds
 * is public for ever once it is published, so a mistake here cannot be taken back; and whoever is
 * warned for nothing stops reading, so each rule wants what hardly anything else looks like.
 */
import { Buffer } from "node:buffer";
import type { ProgramFile } from "../spec/pack.ts";

export interface FoundSecret {
  /** Relative to the program's folder. */
  path: string;
  /** What it looks like, in words. */
  why: string;
}

/** Of each file so much is read: secrets of people are in small files, or at their beginning. */
const READ_BYTES = 4 * 1024 * 1024;

/** All files of a program that look secret, in the order that they come in. */
export function findSecrets(files: readonly ProgramFile[]): FoundSecret[] {
  return files.flatMap(({ path, kind, bytes }) => {
    const why = kind === "file" ? secretIn(path, beginning(bytes)) : null;
    return why === null ? [] : [{ path, why }];
  });
}

/**
 * Octets as characters of the same number. TextDecoder's "latin1" is windows-1252, whose characters
 * take two octets each, and all of it takes three times as long to look through.
 */
function beginning({ buffer, byteOffset, length }: Uint8Array<ArrayBuffer>): string {
  return Buffer.from(buffer, byteOffset, Math.min(length, READ_BYTES)).toString("latin1");
}

/**
 * What a file looks like, in words; null when there is nothing to hide.
 * @param path relative to the program's folder
 * @param text its octets as characters
 */
export function secretIn(path: string, text: string): string | null {
  if (isExample(path)) return null;
  const rules = PUBLISHED.test(path) ? TOKENS : [...FILES, ...KEYS, ...TOKENS];
  const rule = rules.find(({ name, mark, holds }) =>
    (name === undefined || name.test(path)) &&
    (mark === undefined || mark.some((each) => text.includes(each))) &&
    (holds === undefined || holds.test(text))
  );
  return rule?.why ?? null;
}

/** What came from a registry is public already, with the keys that it is tested with. */
const PUBLISHED = /(^|\/)(node_modules|site-packages|dist-packages)\/(?!\.)/;

function isExample(path: string): boolean {
  return /(^|\/)\.?[\w.-]*env[\w.-]*[._-](example|sample|template|tpl|dist|defaults?)$/i.test(path);
}

interface Rule {
  /** Fits the path; without it any file. */
  name?: RegExp;
  /** One of these stands in the content; seen at a glance, so that large programs pass quickly. */
  mark?: readonly string[];
  /** Fits the content; without it any. */
  holds?: RegExp;
  why: string;
}

const ASSIGNS = /^\s*(export\s+)?[A-Za-z_]\w*[ \t]*[=:][ \t]*["']?[^\s"'#]/m;
const NAMES_SECRET =
  /(password|passwd|token|secret|(access|private|api)_?key)\w*["']?\s*[=:]\s*["']?/i;
/** Of a database or a queue, at a host of its own. */
const PASSWORD_URL = new RegExp(
  String.raw`\b(postgres(ql)?|mysql|mariadb|mongodb(\+srv)?|rediss?|amqps?):\/\/` +
    String.raw`[^\s:@/"'$<{]*:(?!pass|secret|changeme)[^\s:@/"'$<{%*]+@` +
    String.raw`(?!127\.|[\w.-]*\b(localhost|example)\b)[\w-]+\.[\w.-]+`,
  "i",
);
/** 32 bytes; not all the same, and not the first key of every developer's chain. */
const PRIVATE_KEY = new RegExp(
  String.raw`(private|secret|deployer)[_-]?key["']?\s*[:=]\s*["'\x60]?(0x)?` +
    String.raw`(?!([0-9a-f])\3{63}|ac0974bec39a17e3)[0-9a-f]{64}\b`,
  "i",
);
/** Twelve to 24 words (BIP-39); not those of every developer's chain. */
const MNEMONIC = new RegExp(
  String.raw`(mnemonic|seed[_ -]?phrase)["']?\s*[:=]\s*["'\x60]?` +
    String.raw`(?!test test )([a-z]{3,8} ){11,23}[a-z]{3,8}\b`,
  "i",
);
const KEY_HEAD = /-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY( BLOCK)?-----/;

/** By name alone, and by what files of that name hold. */
const FILES: readonly Rule[] = [
  { name: /(^|\/)\.ssh\/(?!.*\.pub$)[^/]+/, why: "of a .ssh folder" },
  { name: /(^|\/)id_(rsa|dsa|ecdsa|ed25519|xmss)(_sk)?(\.bak|\.old)?$/, why: "an SSH key" },
  { name: /(^|\/)\.gnupg\//, why: "of a .gnupg folder" },
  { name: /(^|\/)(secring\.gpg|private-keys-v1\.d\/[^/]+)$/, why: "a GPG key" },
  // An OpenPGP secret key's packet, and a DER key's version.
  { name: /\.(gpg|pgp|key)$/i, holds: /^[\x94\x95\x97\xc5]/, why: "a GPG key" },
  {
    name: /\.(key|der|pem|p8|pk8)$/i,
    // deno-lint-ignore no-control-regex -- the tags and the version are octets
    holds: /^0[^]{1,3}\x02\x01[\x00\x01][\x02\x040]/,
    why: "a private key",
  },
  { name: /\.(p12|pfx|jks|keystore|kdbx|ppk)$/i, why: "a key store" },
  {
    name: /(^|\/)(\.env([.~_-][^/]*)?|[^/]+\.env([.~](bak|old|orig|save|local)?)?)$/i,
    holds: ASSIGNS,
    why: "environment variables",
  },
  {
    name: /(^|\/)(env\.(prod|dev|stag|local)\w*|\.envrc|\.dev\.vars)$/i,
    holds: ASSIGNS,
    why: "environment variables",
  },
  {
    name: /(^|\/)\.npmrc$/,
    holds: /_(authToken|auth|password)\s*=\s*["']?(?!\$)[^\s"']/,
    why: "a registry's token",
  },
  {
    name: /(^|\/)\.yarnrc(\.yml)?$/,
    holds: /(npmAuthToken|_authToken|npmAuthIdent)["']?:?\s+["']?(?!\$)[^\s"']/,
    why: "a registry's token",
  },
  { name: /(^|\/)\.pypirc$/, holds: /^\s*password\s*[=:]\s*\S/m, why: "a registry's password" },
  { name: /(^|\/)[._]netrc([.~]\w*)?$/, holds: /\bpassword\s+\S/, why: "passwords" },
  { name: /(^|\/)\.pgpass$/, holds: /^[^#\n]+:[^:\n]+$/m, why: "a database's password" },
  { name: /(^|\/)\.my\.cnf$/, holds: /^\s*password\s*=\s*\S/m, why: "a database's password" },
  {
    name: /(^|\/)config$/,
    holds: /^\s*url\s*=\s*\w+:\/\/[^\s@/:]+:[^\s@/]+@/m,
    why: "a repository's password",
  },
  { name: /(^|\/)\.?git-credentials$/, holds: /:\/\/[^\s@]+@/, why: "passwords" },
  {
    name: /(^|\/)\.?aws\/(credentials|config)$/,
    holds: /aws_\w*(key|token)\w*\s*=/,
    why: "AWS keys",
  },
  {
    name: /(^|\/)(\.docker\/config\.json|\.dockercfg|\.dockerconfigjson)$/,
    holds: /"(auth|identitytoken|registrytoken)"\s*:\s*"[^"]/,
    why: "a registry's password",
  },
  {
    name: /(^|\/)(\.kube\/|kubeconfig)[^/]*|(^|\/)[^/]*kubeconfig[^/]*$/i,
    holds: /\b(client-key-data|token|password)\s*:\s*\S/,
    why: "a cluster's keys",
  },
  { name: /(^|\/)\.(vault-token|htpasswd|terraformrc)$/, holds: /\S/, why: "passwords or tokens" },
  { name: /(^|\/)credentials\.tfrc\.json$/, holds: /"token"\s*:\s*"[^"]/, why: "a token" },
  {
    name: /\.tfstate(\.\w+)?$/,
    holds: /"(resources|access_key|secret_key|token)"/,
    why: "Terraform's state",
  },
  {
    name: /\.tfvars(\.json)?$/,
    holds: new RegExp(`${NAMES_SECRET.source}[^\\s"']`, "i"),
    why: "Terraform's secrets",
  },
  {
    name: /(^|\/)(\.s3cfg|\.boto|rclone\.conf)$/,
    holds: /\b(secret\w*key|pass|token)\s*=\s*\S/,
    why: "a store's keys",
  },
  {
    name: /(^|\/)auth\.json$/,
    holds: /"(http-basic|github-oauth|gitlab-token|bearer)"\s*:\s*\{\s*"[^"]+"\s*:/,
    why: "passwords or tokens",
  },
  { name: /(^|\/)settings\.xml$/, holds: /<password>\s*[^<$\s]/, why: "a registry's password" },
  {
    name: /(^|\/)nuget\.config$/i,
    holds: /ClearTextPassword"\s+value="[^"%$]/,
    why: "a registry's password",
  },
  { name: /(^|\/)\.bundle\/config$/, holds: /^BUNDLE_\w+: "?[^\s":]+:\S/m, why: "a password" },
  { name: /(^|\/)wp-config\.php$/, holds: /'DB_PASSWORD',\s*'[^']/, why: "a database's password" },
  {
    name: /(^|\/)database\.ya?ml$/,
    holds: /^\s*password:\s*["']?(?!<%)[^\s"'#]/m,
    why: "a database's password",
  },
  {
    name: /(^|\/)\.(\w+_)?history$/,
    holds: /\S/,
    why: "a history of commands",
  },
  { name: /(^|\/)\.(cargo|gem)\/credentials(\.toml)?$/, holds: /\S/, why: "a registry's token" },
  {
    name: /(^|\/)(\.config\/(gcloud|gh|rclone)|\.azure)\//,
    holds: /(token|secret|password|key)/i,
    why: "tokens",
  },
  {
    name: /(^|\/)([\w-]+[_-])?(secrets?|credentials?)\.(json|ya?ml|toml|ini|txt)$/i,
    holds: /[:=]\s*["']?[^\s"'{}[\],]/,
    why: "secrets, by its name",
  },
  { name: /(^|\/)(master|secret)\.key$/, holds: /^\s*[\w+/=-]{16,}\s*$/, why: "a key" },
  { name: /(^|\/)wallet\.dat$/, why: "a wallet" },
  {
    name: /(^|\/)keys\.json$/,
    holds: /"(account|identities)"\s*:/,
    why: "the keys of a Khachapuri account or provider",
  },
];

/** By content, whatever the name. */
const KEYS: readonly Rule[] = [
  {
    mark: ["AGE-SECRET-KEY-"],
    holds: /AGE-SECRET-KEY-(PQ-)?1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}/,
    why: "an age identity",
  },
  {
    name: /(\.(pem|key)|(^|\/)[^/.]*key[^/.]*)$/i,
    mark: ["PRIVATE KEY"],
    holds: KEY_HEAD,
    why: "a private key",
  },
  {
    mark: ["PRIVATE KEY"],
    holds: new RegExp(
      `${KEY_HEAD.source}(\\\\r|\\\\n|\\s)+([A-Za-z-]+: [^\\n]+\\s+)*[A-Za-z0-9+/=]{40}`,
    ),
    why: "a private key",
  },
  {
    mark: ["ecret", "ECRET"],
    holds: /aws_?secret_?(access_?)?key["']?\s*[:=,]\s*["']?(?![A-Za-z0-9+/]*EXAMPLE)[\w+/]{40}\b/i,
    why: "an AWS key",
  },
  {
    mark: ['"auths"'],
    holds: /"auths"\s*:\s*\{[^]{0,2000}"(auth|identitytoken|registrytoken)"\s*:\s*"[^"]/,
    why: "a registry's password",
  },
  {
    mark: ["client-key-data"],
    holds: /client-key-data:\s*["']?[A-Za-z0-9+/=]{40}/,
    why: "a cluster's keys",
  },
  { mark: ["://"], holds: PASSWORD_URL, why: "a URL with a password" },
  { mark: ["PuTTY-User-Key-File"], holds: /^PuTTY-User-Key-File-\d/, why: "a private key" },
  {
    mark: ['"ciphertext"'],
    holds: /"crypto"\s*:\s*\{[^]{0,2000}"ciphertext"\s*:\s*"[0-9a-f]{64}/i,
    why: "an Ethereum key store",
  },
  {
    mark: ["rivate", "RIVATE", "ecret", "ECRET", "eployer", "EPLOYER"],
    holds: PRIVATE_KEY,
    why: "a private key",
  },
  {
    mark: ['"account"'],
    holds: /"account"\s*:\s*"0x[0-9a-f]{64}"/i,
    why: "the key of a Khachapuri account",
  },
  { mark: ["nemonic", "NEMONIC", "hrase", "HRASE"], holds: MNEMONIC, why: "a wallet's words" },
];

/** What somebody was given by a service, which is looked for in published packages, too. */
const TOKENS: readonly Rule[] = [
  {
    mark: ["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
    holds: /\bgh[pousr]_[A-Za-z0-9]{36}/,
    why: "a GitHub token",
  },
  { mark: ["github_pat_"], holds: /\bgithub_pat_[A-Za-z0-9_]{60}/, why: "a GitHub token" },
  { mark: ["glpat-"], holds: /\bglpat-[A-Za-z0-9_-]{20}/, why: "a GitLab token" },
  { mark: ["xox"], holds: /\bxox[abeprs]-\d{8,}-[A-Za-z0-9-]{10,}/, why: "a Slack token" },
  {
    mark: ["hooks.slack.com"],
    holds: /hooks\.slack\.com\/services\/T[A-Z0-9]{8,}\/B[A-Z0-9]{8,}\/[A-Za-z0-9]{20}/,
    why: "a Slack hook",
  },
  {
    mark: ["AKIA", "ASIA"],
    holds: /\b(AKIA|ASIA)(?![A-Z0-9]*EXAMPLE)[A-Z2-7]{16}\b/,
    why: "an AWS key",
  },
  { mark: ["k_live_"], holds: /\b[sr]k_live_[A-Za-z0-9]{20}/, why: "a Stripe key" },
  {
    mark: ["sk-"],
    holds: /\bsk-(proj|ant|svcacct)-[A-Za-z0-9_-]{32}/,
    why: "an API key",
  },
  { mark: ["npm_"], holds: /\bnpm_[A-Za-z0-9]{36}\b/, why: "an npm token" },
  { mark: ["pypi-"], holds: /\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50}/, why: "a PyPI token" },
  { mark: ["SG."], holds: /\bSG\.[\w-]{22}\.[\w-]{43}\b/, why: "a SendGrid key" },
  { mark: ["hf_"], holds: /\bhf_[A-Za-z]{34}\b/, why: "a Hugging Face token" },
  { mark: ["_v1_"], holds: /\bdo[opr]_v1_[0-9a-f]{64}\b/, why: "a DigitalOcean token" },
  { mark: ["shp"], holds: /\bshp(at|ca|pa|ss)_[0-9a-f]{32}\b/i, why: "a Shopify token" },
  { mark: [":AA"], holds: /\b\d{8,10}:AA[A-Za-z0-9_-]{33}\b/, why: "a Telegram token" },
];
