/**
 * npm's acme-client, loaded when something is to be ordered only: it takes 15 MB of memory. Its
 * index is not loaded, as that brings node-forge, and its HTTP client is not used (ca_requests.ts).
 */
// @ts-types="./acme_client.d.ts"
export { default as AcmeClient } from "acme-client/src/client.js";
// @ts-types="./acme_crypto.d.ts"
export { createAlpnCertificate, createCsr } from "acme-client/src/crypto/index.js";
