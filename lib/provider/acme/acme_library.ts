/**
 * npm's acme-client, loaded when something is to be ordered only: it takes 15 MB of memory. Its
 * index is not loaded, as that brings node-forge, and its HTTP client is not used (ca_requests.ts).
 */
// First, and its end last: the others list the environment as they load.
import { giveBack } from "./no_environment.ts";
// @ts-types="./acme_client.d.ts"
import Client from "acme-client/src/client.js";
// @ts-types="./acme_crypto.d.ts"
import { createAlpnCertificate, createCsr } from "acme-client/src/crypto/index.js";

giveBack();

export { Client as AcmeClient, createAlpnCertificate, createCsr };
