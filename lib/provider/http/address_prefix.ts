/** The network that a caller's address belongs to: one party may have all addresses of it. */

/**
 * An IPv4 /24 or IPv6 /56. Null for loopback and private addresses, which a proxy before us has:
 * all of its callers would share it; and for what is no address.
 */
export function addressPrefix(address: string): string | null {
  const v4 = /^(?:::ffff:)?(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.\d{1,3}$/i.exec(address);
  if (v4) {
    const [a, b, c] = v4.slice(1).map(Number) as [number, number, number];
    return isPrivateV4(a, b) ? null : `${a}.${b}.${c}`;
  }
  const groups = groupsOf(address);
  if (groups === null || isPrivateV6(groups)) return null;
  const [a, b, c, d] = groups as [number, number, number, number];
  return [a, b, c, d & 0xff00].map((group) => group.toString(16)).join(":");
}

/** RFC 1122, 1918, 3927 and 6598. */
function isPrivateV4(a: number, b: number): boolean {
  return a === 0 || a === 10 || a === 127 || (a === 172 && b >= 16 && b < 32) ||
    (a === 192 && b === 168) || (a === 169 && b === 254) || (a === 100 && b >= 64 && b < 128);
}

/** RFC 4193 and 4291: unique local, link local, loopback. */
function isPrivateV6(groups: readonly number[]): boolean {
  const first = groups[0]!;
  const isLoopback = groups.slice(0, 7).every((group) => group === 0) && groups[7]! <= 1;
  return isLoopback || (first & 0xfe00) === 0xfc00 || (first & 0xffc0) === 0xfe80;
}

function groupsOf(address: string): number[] | null {
  const [bare = ""] = address.replace(/^\[|\]$/g, "").split("%");
  const halves = bare.split("::");
  if (halves.length > 2 || !bare.includes(":")) return null;
  const [head = [], tail = []] = halves.map((half) => half === "" ? [] : half.split(":"));
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null;
  const words = [...head, ...Array<string>(missing).fill("0"), ...tail];
  if (!words.every((word) => /^[0-9a-f]{1,4}$/i.test(word))) return null;
  return words.map((word) => Number.parseInt(word, 16));
}
