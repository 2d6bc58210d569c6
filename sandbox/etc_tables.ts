/**
 * The files of /etc that are made up: an ordinary small machine named "sandbox" whose user has a
 * name, knows itself, speaks UTC and resolves nothing else.
 */
import { INNER_ID, INNER_NAME } from "./policy.ts";

/** Content by name. */
export const TABLES: Readonly<Record<string, string>> = {
  passwd: lines(
    "root:x:0:0:root:/root:/usr/sbin/nologin",
    // Java takes the home folder from here and not from HOME.
    `nobody:x:${INNER_ID}:${INNER_ID}:nobody:/tmp:/bin/sh`,
  ),
  group: lines("root:x:0:", `nogroup:x:${INNER_ID}:`),
  shells: lines("/bin/sh", "/bin/bash"),
  hosts: lines(
    "127.0.0.1\tlocalhost",
    `127.0.1.1\t${INNER_NAME}`,
    "::1\tlocalhost ip6-localhost ip6-loopback",
  ),
  hostname: lines(INNER_NAME),
  networks: lines("loopback 127.0.0.0"),
  "host.conf": lines("multi on"),
  timezone: lines("Etc/UTC"),
};

/** Where a sandbox has that one of NAME_TABLES which is its own: a link that its launcher makes. */
export const NAMES_FOLDER = "/run/names";

const nsswitch = (hosts: string) =>
  lines(
    ...["passwd", "group", "shadow", "gshadow", "networks", "protocols", "services"]
      .concat("ethers", "rpc", "aliases").map((table) => `${table}: files`),
    `hosts: ${hosts}`,
  );

/** How hosts are looked up, by whether programs may call any: content by name. */
export const NAME_TABLES: Readonly<Record<"none" | "relay", Readonly<Record<string, string>>>> = {
  none: {
    // Files alone: with "dns" every unknown name would wait for servers that nobody can reach.
    "nsswitch.conf": nsswitch("files"),
    // For resolvers that do not read nsswitch.conf: nobody answers there, as they learn at once.
    "resolv.conf": lines("nameserver 127.0.0.1", "options timeout:0 attempts:1"),
  },
  relay: {
    "nsswitch.conf": nsswitch("files dns"),
    // The relay's (init/egress.h).
    "resolv.conf": lines("nameserver 127.0.0.53", "options timeout:2 attempts:2"),
  },
};

/** Target by name; those whose target this machine lacks are left out. */
export const TABLE_LINKS: Readonly<Record<string, string>> = {
  localtime: "/usr/share/zoneinfo/Etc/UTC",
  mtab: "/proc/self/mounts",
};

function lines(...all: string[]): string {
  return all.map((line) => `${line}\n`).join("");
}
