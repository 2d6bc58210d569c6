/** What we use of acme-client's cryptography. */

/** @returns the key as it was given, and the request, both PEM */
export function createCsr(
  request: { readonly altNames: string[] },
  key: string,
): Promise<readonly [Uint8Array, Uint8Array]>;

/** The certificate of tls-alpn-01 (RFC 8737, section 3). @returns key and certificate, PEM */
export function createAlpnCertificate(
  authorization: { readonly identifier: { readonly value: string } },
  keyAuthorization: string,
  key: string,
): Promise<readonly [Uint8Array, Uint8Array]>;
