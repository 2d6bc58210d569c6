/** tls-alpn-01 (RFC 8737): in the TLS listener, a CA's handshake gets a certificate of its own. */
import type { KeyPair } from "../wire/certificate.ts";
import type { Challenger } from "./challenge.ts";
import { generateKey } from "./tls_folder.ts";

export interface AlpnChallenge extends Challenger {
  isChallenged(): boolean;
  pairOf(serverName: string | null): KeyPair | null;
}

export function alpnChallenge(): AlpnChallenge {
  const pairs = new Map<string, KeyPair>();
  return {
    isChallenged: () => pairs.size > 0,
    pairOf: (serverName) => pairs.get(serverName ?? "") ?? null,
    async present({ name, keyAuthorization }) {
      const { createAlpnCertificate } = await import("./acme_library.ts");
      const key = generateKey();
      const identifier = { value: name };
      const [, cert] = await createAlpnCertificate({ identifier }, keyAuthorization, key);
      pairs.set(name, { key, cert: new TextDecoder().decode(cert) });
    },
    ready: () => Promise.resolve(),
    withdraw({ name }) {
      pairs.delete(name);
      return Promise.resolve();
    },
  };
}
