/** Which URLs a bearer secret (a permit, a token) may travel to. */

/**
 * Whether nobody on the way can read a request to `url`: it is https, or to this machine by an
 * address that no name server can point elsewhere.
 */
export function isConfidential(url: URL): boolean {
  if (url.protocol === "https:") return true;
  return url.protocol === "http:" &&
    /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
}
