/** A password out of a file as libpq has it (postgresql.org/docs/current/libpq-pgpass.html). */
import { KhachapuriError } from "../../errors.ts";
import { readSecretText } from "../../spec/keys.ts";
import type { DatabaseAddress, DatabaseHost } from "../../postgres_address.ts";

type Asked = Pick<DatabaseAddress, "user" | "database"> & DatabaseHost;

/**
 * The password for the first host that has one in the file, which all hosts are asked with.
 * @throws KhachapuriError `not_found`, `insecure_key_file`; `invalid_config` where no line of it is
 *   for this database; nothing of the file is quoted
 */
export async function readPassword(
  path: string,
  { hosts, user, database }: Pick<DatabaseAddress, "hosts" | "user" | "database">,
): Promise<string> {
  const [{ host, port }] = hosts as [DatabaseHost];
  const hints = [
    `a line is HOST:PORT:DATABASE:USER:PASSWORD, as ${host}:${port}:${database}:${user}:…`,
  ];
  const text = await readSecretText(path).catch((cause) => {
    if (!(cause instanceof KhachapuriError) || cause.code !== "not_found") throw cause;
    throw new KhachapuriError("not_found", `no password file at ${path}`, { cause, hints });
  });
  for (const host of hosts) {
    const password = passwordIn(text, { ...host, user, database });
    if (password !== null) return password;
  }
  throw new KhachapuriError("invalid_config", `${path} has no line for ${host}:${port}`, { hints });
}

/** The password of the first line that fits; null: none does. */
export function passwordIn(text: string, { host, port, database, user }: Asked): string | null {
  // A file's hosts stand without the brackets of a URI.
  const asked = [host.replace(/^\[|\]$/g, ""), String(port), database, user];
  for (const line of text.split("\n")) {
    if (line.startsWith("#")) continue;
    const fields = line.replace(/\r$/, "").match(/(?:\\.|[^:\\])*(?::|$)/g) ?? [];
    const places = fields.slice(0, 4);
    const password = fields[4];
    if (password === undefined || !places.every((field) => field.endsWith(":"))) continue;
    const said = places.map(unescaped);
    if (asked.every((each, index) => said[index] === "*" || said[index] === each)) {
      return unescaped(password);
    }
  }
  return null;
}

function unescaped(field: string): string {
  return field.replace(/:$/, "").replace(/\\(.)/g, "$1");
}
