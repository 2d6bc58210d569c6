/**
 * `<stateDir>/tls`: the certificate with its key, accounts at CAs, the order under way, how it
 * goes. The provider's own user alone may read it. Each file is placed whole; what is damaged all
 * the same is set aside under a name of its own, and made anew.
 */
import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import * as v from "valibot";
import { makeFolders } from "../../files.ts";
import { readJsonFile, replaceJsonFile, replacePrivateFile } from "../../home_file.ts";
import type { Log } from "../../log.ts";
import { parseShape } from "../../shape.ts";
import type { KeyPair } from "../wire/certificate.ts";
import type { CaAccount } from "./ca_session.ts";
import { type Status, statusShape } from "./status.ts";
import { type CertificateFacts, isPair, readCertificate } from "./x509.ts";

/** Key and chain in one file, so that no crash leaves one of another. */
const CERTIFICATE_FILE = "certificate.pem";
const ACCOUNTS_FILE = "accounts.json";
const ORDER_FILE = "order.json";
const STATUS_FILE = "status.json";
const LOCK_FILE = "lock";
/** As files are called before they have their name (home_file.ts). */
const PARTIAL = /\.[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const accountsShape = v.record(
  v.string(),
  v.strictObject({ key: v.string(), url: v.nullable(v.string()) }),
);

const begunShape = v.strictObject({
  directory: v.string(),
  url: v.string(),
  names: v.array(v.string()),
  /** The certificate's, PEM. */
  key: v.string(),
});

/** An order that was begun and is not known to have ended. */
export type BegunOrder = v.InferOutput<typeof begunShape>;

export interface HeldCertificate {
  readonly pair: KeyPair;
  readonly facts: CertificateFacts;
}

/** An ECDSA key on P-256, PEM. */
export function generateKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ type: "pkcs8", format: "pem" }) as string;
}

/** The certificate in the folder `dir`; null when there is none, or none that can be used. */
export async function readHeld(dir: string): Promise<HeldCertificate | null> {
  const text = await Deno.readTextFile(join(dir, CERTIFICATE_FILE)).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  });
  const [key = ""] = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/.exec(text) ?? [];
  const cert = text.slice(Math.max(0, text.indexOf("-----BEGIN CERTIFICATE-----")));
  const pair = { cert, key };
  const facts = isPair(pair) ? readCertificate(cert) : null;
  return facts && { pair, facts };
}

/** How it went last, as far as the folder tells. */
export async function readStatus(dir: string): Promise<Status | null> {
  const json = await readJsonFile(join(dir, STATUS_FILE));
  return json === undefined
    ? null
    : parseShape(statusShape, json, join(dir, STATUS_FILE), "invalid_config");
}

export class TlsFolder {
  private constructor(readonly dir: string, private readonly log: Log) {}

  /** @throws KhachapuriError `access_denied`, `file_unusable` */
  static async open(dir: string, log: Log): Promise<TlsFolder> {
    await makeFolders(dir, 0o700);
    await Deno.chmod(dir, 0o700);
    for await (const { name } of Deno.readDir(dir)) {
      const path = join(dir, name);
      if (PARTIAL.test(name)) await Deno.remove(path).catch(() => {});
      else if (name.includes(".")) await Deno.chmod(path, 0o600).catch(() => {});
    }
    return new TlsFolder(dir, log);
  }

  /** Changes when the certificate is replaced; null: there is none. */
  async stamp(): Promise<string | null> {
    return await Deno.stat(this.#path(CERTIFICATE_FILE)).then(
      ({ ino, mtime, size }) => `${ino} ${mtime?.getTime()} ${size}`,
      () => null,
    );
  }

  async held(): Promise<HeldCertificate | null> {
    const held = await readHeld(this.dir);
    if (held === null && await this.stamp() !== null) await this.#setAside(CERTIFICATE_FILE);
    return held;
  }

  async hold({ cert, key }: KeyPair): Promise<void> {
    const text = `${key.trimEnd()}\n${cert.trimStart()}`;
    await replacePrivateFile(this.#path(CERTIFICATE_FILE), new TextEncoder().encode(text));
  }

  /** Ours at a CA; a key is made before the first. */
  async account(directory: string): Promise<CaAccount> {
    const accounts = await this.#read(ACCOUNTS_FILE, accountsShape) ?? {};
    const known = accounts[directory];
    if (known) return known;
    const fresh: CaAccount = { key: generateKey(), url: null };
    await this.noteAccount(directory, fresh);
    return fresh;
  }

  async noteAccount(directory: string, account: CaAccount): Promise<void> {
    const accounts = await this.#read(ACCOUNTS_FILE, accountsShape) ?? {};
    await this.#write(ACCOUNTS_FILE, { ...accounts, [directory]: account });
  }

  begun(): Promise<BegunOrder | null> {
    return this.#read(ORDER_FILE, begunShape);
  }

  /** @param order null: none is under way */
  async noteBegun(order: BegunOrder | null): Promise<void> {
    if (order) return await this.#write(ORDER_FILE, order);
    await Deno.remove(this.#path(ORDER_FILE)).catch(() => {});
  }

  status(): Promise<Status | null> {
    return this.#read(STATUS_FILE, statusShape);
  }

  noteStatus(status: Status): Promise<void> {
    return this.#write(STATUS_FILE, status);
  }

  /** Does it while no other process orders here; null: one does. */
  async alone<T>(work: () => Promise<T>): Promise<T | null> {
    const path = this.#path(LOCK_FILE);
    using file = await Deno.open(path, { create: true, write: true, mode: 0o600 });
    return await file.tryLock(true) ? await work() : null;
  }

  #path(name: string): string {
    return join(this.dir, name);
  }

  async #read<S extends v.GenericSchema>(name: string, shape: S) {
    const path = this.#path(name);
    try {
      const json = await readJsonFile(path);
      return json === undefined ? null : parseShape(shape, json, path, "invalid_config");
    } catch (error) {
      this.log.warn("damaged, and made anew", { path, error });
      await this.#setAside(name);
      return null;
    }
  }

  async #setAside(name: string): Promise<void> {
    const path = this.#path(name);
    await Deno.rename(path, `${path}.damaged`).catch(() => {});
    this.log.warn("set aside, as it cannot be used", { path: `${path}.damaged` });
  }

  #write(name: string, json: unknown): Promise<void> {
    return replaceJsonFile(this.#path(name), json, 0o600);
  }
}
