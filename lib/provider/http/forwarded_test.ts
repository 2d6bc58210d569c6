import assert from "node:assert/strict";
import { IpRanges } from "../../ip_ranges.ts";
import { type ForwardedField, senderOf } from "./forwarded.ts";

const PROXY = "10.0.0.1";
const CALLER = "203.0.113.7";

interface Given {
  peer?: string;
  isTls?: boolean;
  trusted?: string[];
  field?: ForwardedField;
  fields?: Record<string, string>;
}

function sender(given: Given = {}): [address: string, scheme: string | null] {
  const { peer = PROXY, isTls = false, trusted = ["10.0.0.0/8"], field = "x-forwarded-for" } =
    given;
  const { address, scheme } = senderOf(
    { address: peer, isTls },
    (name) => given.fields?.[name] ?? null,
    { addresses: IpRanges.parse(trusted), field },
  );
  return [address, scheme];
}

/** Behind the proxy that is trusted. */
const x = (list: string, proto?: string): Given => ({
  fields: { "x-forwarded-for": list, ...(proto ? { "x-forwarded-proto": proto } : {}) },
});
const rfc7239 = (forwarded: string): Given => ({ field: "forwarded", fields: { forwarded } });

const LIE = {
  "x-forwarded-for": "192.0.2.66",
  "x-forwarded-proto": "https",
  forwarded: "for=192.0.2.66;proto=https",
};

Deno.test("a stranger's word on who it is counts for nothing", () => {
  for (const field of ["x-forwarded-for", "forwarded"] as const) {
    const stranger = { peer: CALLER, fields: LIE, field };
    assert.deepEqual(sender(stranger), [CALLER, "http"]);
    assert.deepEqual(sender({ ...stranger, isTls: true }), [CALLER, "https"]);
    assert.deepEqual(sender({ ...stranger, trusted: [] }), [CALLER, null]);
    // The same word of a proxy counts.
    assert.deepEqual(sender({ fields: LIE, field }), ["192.0.2.66", "https"]);
  }
});

Deno.test("whether a plain connection is a proxy's is known where proxies are", () => {
  assert.deepEqual(sender({ peer: CALLER, trusted: [] }), [CALLER, null]);
  assert.deepEqual(sender({ peer: CALLER }), [CALLER, "http"]);
  assert.deepEqual(sender({ peer: CALLER, isTls: true, trusted: [] }), [CALLER, "https"]);
});

Deno.test("addresses are told as IPv4 where they are, however they came", () => {
  assert.deepEqual(sender({ peer: `::ffff:${CALLER}`, trusted: [] }), [CALLER, null]);
  assert.deepEqual(sender({ ...x(`::ffff:${CALLER}`), peer: `::ffff:${PROXY}` }), [CALLER, null]);
  assert.deepEqual(sender({ peer: "" }), ["", "http"]);
});

Deno.test("the list is walked from the right, up to the first that is not trusted", () => {
  for (
    const [list, address] of [
      [CALLER, CALLER],
      [`192.0.2.66, ${CALLER}`, CALLER],
      [`192.0.2.66,${CALLER}, 10.2.0.1,10.3.0.1`, CALLER],
      ["10.9.0.1, 10.2.0.1", "10.9.0.1"],
      ["2001:DB8::1", "2001:db8::1"],
      ["[2001:db8::1]:4711", "2001:db8::1"],
      [`${CALLER}:4711`, CALLER],
    ] as const
  ) assert.deepEqual(sender(x(list))[0], address, list);
});

Deno.test("where a trusted one tells no address, it stands for whom it does not tell", () => {
  for (const word of ["unknown", "_hidden", "", "192.0.2", "192.0.2.1.1", "1.2.3.4:port", "a b"]) {
    assert.deepEqual(sender(x(`192.0.2.66, ${word}`)), [PROXY, null], word);
    assert.deepEqual(sender(x(`192.0.2.66, ${word}, 10.2.0.1`)), ["10.2.0.1", null], word);
  }
  assert.deepEqual(sender(), [PROXY, null]);
  assert.deepEqual(sender({ isTls: true }), [PROXY, "https"]);
});

Deno.test("the scheme is that of the connection whose sender is told", () => {
  for (
    const [list, proto, scheme] of [
      [CALLER, "https", "https"],
      [CALLER, "HTTP", "http"],
      [CALLER, "http, https", "https"],
      [`${CALLER}, 10.2.0.1`, "https, http", "https"],
      [`${CALLER}, 10.2.0.1`, "https", "https"],
      [`192.0.2.66, ${CALLER}`, "https, http", "http"],
      [CALLER, "wss", null],
      [CALLER, "", null],
    ] as const
  ) assert.deepEqual(sender(x(list, proto))[1], scheme, `${list}: ${proto}`);
  const alone = { fields: { "x-forwarded-proto": "https" } };
  assert.deepEqual(sender(alone), [PROXY, "https"]);
});

Deno.test("RFC 7239: names in any case, values quoted or not, several hops", () => {
  for (
    const [value, address, scheme] of [
      [`for=${CALLER}`, CALLER, null],
      [`For="${CALLER}:4711";Proto=HTTPS;by=10.0.0.1`, CALLER, "https"],
      [`for="[2001:db8::1]:4711";proto=https`, "2001:db8::1", "https"],
      [`for=192.0.2.66;proto=http, for=${CALLER};proto=https`, CALLER, "https"],
      [`for=${CALLER};proto=https, for=10.2.0.1;proto=http`, CALLER, "https"],
      [`proto=https; for=${CALLER}; host="a.example"`, CALLER, "https"],
      ["for=unknown;proto=https", PROXY, "https"],
      ["for=_gazonk", PROXY, null],
      ["proto=https", PROXY, "https"],
    ] as const
  ) assert.deepEqual(sender(rfc7239(value)), [address, scheme], value);
});

Deno.test("a malformed element is no word, and hides none that was added behind it", () => {
  for (
    const bad of [`for="192.0.2.66`, `for=192.0.2.66;for=192.0.2.67`, "192.0.2.66", ";", "for="]
  ) {
    assert.deepEqual(sender(rfc7239(bad)), [PROXY, null], bad);
    assert.deepEqual(sender(rfc7239(`${bad}, for=${CALLER}`)), [CALLER, null], bad);
  }
});

Deno.test("only the field that proxies are said to set is read", () => {
  const { forwarded, ...others } = LIE;
  assert.deepEqual(sender({ fields: { forwarded } }), [PROXY, null]);
  assert.deepEqual(sender({ fields: others, field: "forwarded" }), [PROXY, null]);
});
