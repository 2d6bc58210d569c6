/** Which URLs a bearer secret (a permit, a token) may travel to. */

/** Whether `url` is of this machine, by an address that no name server can point elsewhere. */
export function isThisMachine(url: URL): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
}

/** Whether nobody on the way can read a request to `url`: it is https, or to this machine. */
export function isConfidential(url: URL): boolean {
  return url.protocol === "https:" || (url.protocol === "http:" && isThisMachine(url));
}

/** Whether `url` holds no secret: no user or password, and no query, which may be a token. */
export function isBare({ username, password, search }: URL): boolean {
  return username === "" && password === "" && search === "";
}
