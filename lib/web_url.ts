/** Which URLs a bearer secret (a permit, a token) may travel to. */

/**
 * Whether nobody between here and there can read along: https, or this very machine by an address
 * that no name server can point elsewhere.
 */
export function isConfidential(url: URL): boolean {
  if (url.protocol === "https:") return true;
  return url.protocol === "http:" &&
    /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
}
