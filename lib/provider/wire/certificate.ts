/** The certificate of a listener, read again when its files change. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { KhachapuriError } from "../../errors.ts";
import type { Log } from "../../log.ts";

/** PEM texts, as node's TLS takes them. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateFiles {
  /** Paths. */
  readonly cert: string;
  readonly key: string;
}

/** Where a listener's certificate comes from, now and later. */
export interface CertificateSource {
  /** null: there is none yet, and handshakes are refused until `watch` brings one. */
  readonly first: KeyPair | null;
  /** Has every later pair used. */
  watch(use: (pair: KeyPair) => void, log: Log): void;
  /**
   * Looks whether there is another one, and has it used then.
   * @returns whether there was
   */
  renew(use: (pair: KeyPair) => void, log: Log): Promise<boolean>;
  /** Whether an authority is expected to look whether the domain is ours (RFC 8737). */
  isChallenged(): boolean;
  /** What it is shown under this name; null: nothing. */
  challengePair(serverName: string | null): KeyPair | null;
  close(): void;
}

/** How often the files are looked at, ms: whoever renews them does so days before their end. */
const LOOK_MS = 30_000;

export class Certificate implements CertificateSource {
  readonly #files: CertificateFiles;
  #stamp: string;
  #timer: ReturnType<typeof setInterval> | null = null;

  private constructor(
    files: CertificateFiles,
    readonly first: KeyPair,
    stamp: string,
  ) {
    this.#files = files;
    this.#stamp = stamp;
  }

  /** @throws KhachapuriError `invalid_config` for what is no pair; Deno.errors of the files */
  static async open(files: CertificateFiles): Promise<Certificate> {
    const stamp = await stampOf(files);
    return new Certificate(files, await readPair(files), stamp);
  }

  /** Has every later pair used; for one that cannot be the old one stays, and the log says so. */
  watch(use: (pair: KeyPair) => void, log: Log): void {
    this.#timer = setInterval(() => this.renew(use, log), LOOK_MS);
    Deno.unrefTimer(this.#timer);
  }

  /**
   * Looks whether the files have changed, and has them used then.
   * @returns whether they had
   */
  async renew(use: (pair: KeyPair) => void, log: Log): Promise<boolean> {
    try {
      const stamp = await stampOf(this.#files);
      if (stamp === this.#stamp) return false;
      const pair = await readPair(this.#files);
      use(pair);
      this.#stamp = stamp;
      log.info("certificate renewed", { cert: this.#files.cert });
    } catch (error) {
      log.error("the new certificate cannot be used, the old one stays", { error });
    }
    return true;
  }

  isChallenged(): boolean {
    return false;
  }

  challengePair(): null {
    return null;
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }
}

/** @throws KhachapuriError `invalid_config` for what is no pair; Deno.errors of the files */
export async function readPair(files: CertificateFiles): Promise<KeyPair> {
  const pair = {
    cert: await Deno.readTextFile(files.cert),
    key: await Deno.readTextFile(files.key),
  };
  if (!isPair(pair)) {
    const reason = `${files.cert} and ${files.key} are no certificate and its key`;
    throw new KhachapuriError("invalid_config", reason, {
      hints: ["both are PEM; the certificate is the first of its chain, the key is not encrypted"],
    });
  }
  return pair;
}

/** When a pair's certificate ends, Unix seconds. */
export function endOf({ cert }: KeyPair): number {
  return Date.parse(new X509Certificate(cert).validTo) / 1_000;
}

/** Deno's TLS would take anything, and then fail every handshake. */
function isPair({ cert, key }: KeyPair): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

/** Changes when either file is written or replaced. */
async function stampOf({ cert, key }: CertificateFiles): Promise<string> {
  const stamps = await Promise.all([cert, key].map(async (path) => {
    const { ino, mtime, size } = await Deno.stat(path);
    return `${ino} ${mtime?.getTime()} ${size}`;
  }));
  return stamps.join(", ");
}
