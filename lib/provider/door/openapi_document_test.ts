import assert from "node:assert/strict";
import { getAddress, type Hex } from "viem";
import type { CidText } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import type { Described } from "../deployment/abouts.ts";
import { OpenapiDocument } from "./openapi_document.ts";

const OWNER = getAddress(`0x${"11".repeat(20)}`);
const TERMS: Hex = `0x${"44".repeat(32)}`;

const DENIED = new KhachapuriError("denied", "not served here");

const described = (cid: string, access: Described["access"] = "payer"): Described => ({
  cid: cid as CidText,
  owner: OWNER,
  access,
  terms: TERMS,
  about: { description: `It is ${cid}.` },
});

function openWorld(all: Described[]) {
  const state = {
    all,
    noted: all.length,
    stopped: 0,
    ms: 5,
    amount: "10000",
    isOut: false,
    changes: 0,
  };
  const ended = new Set<string>();
  const denied = new Set<string>();
  let made = 0;
  const document = new OpenapiDocument({
    provider: { name: "paolo.eth", webDomain: "https://paolo.example" },
    abouts: {
      get noted() {
        return state.noted;
      },
      *listed() {
        made++;
        yield* state.all;
      },
    },
    stops: {
      get count() {
        return state.stopped;
      },
    },
    takesTerms: (cid) => !ended.has(cid),
    welcome: { refusal: (_kind, what) => denied.has(what) ? DENIED : null },
    isOut: () => state.isOut,
    offer: {
      get changes() {
        return state.changes;
      },
    },
    accepts: () => [{ scheme: "exact", amount: state.amount } as { scheme: string }],
    now: () => state.ms,
  });
  const paths = () =>
    Object.keys(JSON.parse(new TextDecoder().decode(document.current().body)).paths);
  return { state, ended, denied, document, paths, made: () => made };
}

Deno.test("what the operator serves no more is not listed, whether it is one or all of an owner's", () => {
  const { denied, paths, state } = openWorld([described("a"), described("b")]);
  denied.add("a");
  assert.deepEqual(paths(), ["/b"]);
  denied.add(OWNER);
  state.ms += 10_000;
  assert.deepEqual(paths(), []);
});

Deno.test("what a call would be refused for is not listed, as far as that is known", () => {
  const { ended, paths, state } = openWorld([
    described("a"),
    described("b"),
    described("c", "public"),
  ]);
  ended.add("a");
  assert.deepEqual(paths(), ["/b", "/c"]);
  state.isOut = true;
  state.ms += 10_000;
  assert.deepEqual(paths(), ["/b"], "its callers pay themselves, whatever its owner has");
});

Deno.test("it is made once for all who ask, and anew when one comes, one is stopped, or time passes", () => {
  const { state, document, paths, made } = openWorld([described("a")]);
  const { etag } = document.current();
  assert.equal(document.current().etag, etag);
  state.ms += 9_999;
  assert.deepEqual([document.current().etag, made()], [etag, 1]);

  state.all.push(described("b"));
  state.noted++;
  assert.deepEqual(paths(), ["/a", "/b"]);
  assert.notEqual(document.current().etag, etag);
  state.all.shift();
  state.stopped++;
  assert.deepEqual(paths(), ["/b"]);
  assert.equal(made(), 3);

  state.amount = "20000";
  const before = document.current().etag;
  state.ms += 10_000;
  assert.notEqual(document.current().etag, before, "the price");
  state.amount = "30000";
  state.changes++;
  assert.notEqual(document.current().etag, before, "the price of another node's offer, at once");
  state.ms -= 60_000;
  document.current();
  assert.equal(made(), 6, "a clock that was set back keeps nothing old");
});
