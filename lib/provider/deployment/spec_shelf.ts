/**
 * Deployments whose specs were opened and verified. What is called lately is there to be used; all
 * else is sealed under a key of this process, which is nowhere but in its memory: owners' secrets
 * do not lie about in it for as long as somebody once called, and whoever calls again waits a
 * tenth of a millisecond, not for the envelope and its signatures. Nothing of it outlives the
 * process, so a change of keys or configuration, which comes with another process, ends it too.
 */
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from "node:crypto";
import { deserialize, serialize } from "node:v8";
import type { CidText } from "../../cid.ts";
import {
  OPEN_SPEC_BYTES_LEAST,
  OPEN_SPECS_BYTES_MAX,
  SEALED_SPECS_BYTES_MAX,
} from "../../limits_of_sandboxes.ts";
import { Lru } from "../../lru.ts";
import type { Deployment } from "./deployment.ts";

const CIPHER = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

interface Open {
  readonly deployment: Deployment;
  readonly bytes: number;
}

/** What both shelves hold, bytes, and how often one was unsealed. */
export interface ShelfFigures {
  readonly openBytes: number;
  readonly sealedBytes: number;
  readonly unsealed: number;
}

export class SpecShelf {
  readonly #open: Lru<CidText, Open>;
  readonly #sealed: Lru<CidText, Uint8Array>;
  readonly #key = createSecretKey(randomBytes(32));
  #sealings = 0n;
  #unsealed = 0;

  /** @param most bytes of those that are sealed, and of those that are not */
  constructor(most: { open: number; sealed: number } = {
    open: OPEN_SPECS_BYTES_MAX,
    sealed: SEALED_SPECS_BYTES_MAX,
  }) {
    this.#open = new Lru(most.open, undefined, ({ bytes }) => bytes);
    this.#sealed = new Lru(most.sealed, undefined, ({ length }) => length);
  }

  put(deployment: Deployment): void {
    const plain = serialize(deployment);
    this.#sealed.set(deployment.cid, this.#seal(deployment.cid, plain));
    this.#lay(deployment, plain.length);
    plain.fill(0);
  }

  /** Counts as a use; null where it is not there any more. */
  get(cid: CidText): Deployment | null {
    const sealed = this.#sealed.get(cid);
    const open = this.#open.get(cid);
    if (open) return open.deployment;
    if (!sealed) return null;
    const plain = this.#unseal(cid, sealed);
    const deployment = deserialize(plain) as Deployment;
    this.#unsealed += 1;
    this.#lay(deployment, plain.length);
    plain.fill(0);
    return deployment;
  }

  figures(): ShelfFigures {
    return {
      openBytes: this.#open.weight(),
      sealedBytes: this.#sealed.weight(),
      unsealed: this.#unsealed,
    };
  }

  #lay(deployment: Deployment, bytes: number): void {
    const weight = Math.max(bytes, OPEN_SPEC_BYTES_LEAST);
    this.#open.set(deployment.cid, { deployment, bytes: weight });
  }

  /** Nonce, ciphertext, tag; each nonce is used once, as it counts what this key sealed. */
  #seal(cid: CidText, plain: Uint8Array): Uint8Array {
    const nonce = new Uint8Array(NONCE_BYTES);
    new DataView(nonce.buffer).setBigUint64(NONCE_BYTES - 8, this.#sealings++);
    const cipher = createCipheriv(CIPHER, this.#key, nonce);
    cipher.setAAD(new TextEncoder().encode(cid));
    const text = cipher.update(plain);
    cipher.final();
    const sealed = new Uint8Array(NONCE_BYTES + text.length + TAG_BYTES);
    sealed.set(nonce);
    sealed.set(text, NONCE_BYTES);
    sealed.set(cipher.getAuthTag(), NONCE_BYTES + text.length);
    return sealed;
  }

  #unseal(cid: CidText, sealed: Uint8Array): Uint8Array {
    const end = sealed.length - TAG_BYTES;
    const decipher = createDecipheriv(CIPHER, this.#key, sealed.subarray(0, NONCE_BYTES));
    decipher.setAAD(new TextEncoder().encode(cid));
    decipher.setAuthTag(sealed.subarray(end));
    const plain = decipher.update(sealed.subarray(NONCE_BYTES, end));
    decipher.final();
    return plain;
  }
}
