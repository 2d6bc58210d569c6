/**
 * Where a redirect may lead. A gateway is a stranger: it must not be able to aim our requests at
 * this machine, its network or a cloud's metadata service. What the operator configured is trusted.
 */
import { BlockList, isIP } from "node:net";

/** "never" is what no redirect may reach, not even one from a private gateway. */
export type Reach = "public" | "private" | "never";

const NEVER = subnets([
  ["0.0.0.0", 8], // "this host": connects to loopback
  ["169.254.0.0", 16], // link-local, metadata of AWS, Google, Azure, …
  ["100.100.100.200", 32], // metadata of Alibaba Cloud
  ["192.0.0.192", 32], // metadata of Oracle Cloud
  ["224.0.0.0", 3], // multicast, reserved, broadcast
], [
  ["::", 128],
  ["fe80::", 10], // link-local
  ["fd00:ec2::", 32], // metadata of AWS
  ["ff00::", 8], // multicast
]);

const PRIVATE = subnets([
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
], [
  // Global unicast is 2000::/3; the rest of the space, loopback and local addresses included, not.
  ["::", 3],
  ["4000::", 2],
  ["8000::", 1],
  ["2001::", 32], // Teredo and
  ["2002::", 16], // 6to4 carry an IPv4 address
]);

/**
 * How far an IP address (text, without brackets) is from the public internet. IPv4 addresses in
 * IPv6 clothing are matched against the IPv4 rules by BlockList itself.
 */
export function reachOf(address: string): Reach {
  const family = isIP(address) === 6 ? "ipv6" : "ipv4";
  if (isIP(address) === 0 || NEVER.check(address, family)) return "never";
  return PRIVATE.check(address, family) ? "private" : "public";
}

/**
 * The least public of all addresses that `host` (of a URL, so brackets around IPv6) stands for.
 * A name may resolve differently a moment later, so this bounds mistakes and casual abuse; what a
 * redirect can gain beyond it is one blind GET, since an answer that fails its hash goes nowhere.
 * @param resolve all addresses of a host name
 */
export async function reachOfHost(
  host: string,
  resolve: (name: string) => Promise<readonly string[]>,
): Promise<Reach> {
  const bare = host.startsWith("[") ? host.slice(1, -1) : host;
  const addresses = isIP(bare) === 0 ? await resolve(bare) : [bare];
  const reaches = addresses.map(reachOf);
  if (reaches.length === 0 || reaches.includes("never")) return "never";
  return reaches.includes("private") ? "private" : "public";
}

type Subnet = readonly [string, number];

function subnets(ipv4: readonly Subnet[], ipv6: readonly Subnet[]): BlockList {
  const list = new BlockList();
  for (const [address, bits] of ipv4) list.addSubnet(address, bits, "ipv4");
  for (const [address, bits] of ipv6) list.addSubnet(address, bits, "ipv6");
  return list;
}
