import assert from "node:assert/strict";
import type { Unreached } from "../../../sandbox/egress_tally.ts";
import { AT_A_PROVIDER, type Diagnosis, type Evidence, type Place } from "./detector.ts";
import { diagnose } from "./diagnosis.ts";

/** What is told of a run that failed with a way out, and with `stderr`. */
function told(
  unreached: readonly Unreached[],
  stderr = "",
  place: Place = AT_A_PROVIDER,
): string | null {
  const found = diagnosed(unreached, stderr, place);
  return found && `${found.full}: ${found.hint}`;
}

function diagnosed(
  unreached: readonly Unreached[],
  stderr: string,
  place: Place = AT_A_PROVIDER,
): Diagnosis | null {
  const evidence: Evidence = {
    record: {
      exit: 1,
      signal: null,
      limit: null,
      listeningPort: null,
      egress: { connections: 0, sentBytes: 0, receivedBytes: 0, unreached },
      stderr: new TextEncoder().encode(stderr),
    },
    interface: "curl",
    mayCall: ["api.test:443", "*.wild.test:443"],
    place,
    beginning: null,
    answerFault: null,
  };
  return diagnose(evidence);
}

Deno.test("which host was not reached is told, and why", () => {
  const at = { host: "api.test", port: 443 };
  assert.match(
    told([{ host: "api.test", port: null, failure: "notListed" }])!,
    /^it asked for api\.test, which its spec does not list: .*--egress api\.test:PORT/,
  );
  const words = (failure: Unreached["failure"]) => told([{ ...at, failure }])!;
  assert.match(words("noAddress"), /^api\.test:443 has no address: /);
  assert.match(words("notPublic"), /^api\.test:443 leads to an address that is not public/);
  assert.match(words("unreachable"), /^api\.test:443 refused the connection/);
  assert.match(words("timeout"), /^api\.test:443 did not answer in 10 s: /);
});

Deno.test("to a developer is said what helps there, and where a host was put", () => {
  const at = { host: "api.test", port: 443 };
  const connectTo = { "api.test:443": "127.0.0.1:9" };
  const words = (place: Place, failure: Unreached["failure"] = "unreachable") =>
    told([{ ...at, failure }], "", place)!;
  for (const command of ["run", "dev"] as const) {
    assert.match(
      words({ command, connectTo }),
      /^nothing listens at 127\.0\.0\.1:9 \(--connect-to\): start the server/,
    );
    assert.match(
      words({ command, connectTo }, "timeout"),
      /^127\.0\.0\.1:9 \(--connect-to\) did not/,
    );
    assert.match(
      words({ command, connectTo: {} }, "noAddress"),
      /has no address: a server of yours .*--connect-to api\.test:443:127\.0\.0\.1:PORT$/,
    );
    const unlisted = [{ host: "b.test", port: null, failure: "notListed" as const }];
    const flag = new RegExp(`if it is to call it, start ${command} with --egress b\\.test:PORT`);
    assert.match(told(unlisted, "", { command, connectTo })!, flag);
    for (
      const stderr of [
        "getaddrinfo ENOTFOUND b.test",
        "connect to api.test port 80 failed: Connection refused",
        "ENETUNREACH 192.0.2.1",
      ]
    ) {
      assert.match(told([], stderr, { command, connectTo })!, new RegExp(`start ${command} with`));
    }
  }
});

Deno.test("several hosts are named in one line, and many are counted", () => {
  const unreached = ["a", "b", "c", "d", "e"].map((host) => ({
    host,
    port: 1,
    failure: "noAddress" as const,
  }));
  assert.match(
    told(unreached.slice(0, 2))!,
    /^a:1 has no address; b:1 has no address: try/,
  );
  assert.match(told(unreached)!, /; c:1 has no address; and 2 more: try/);
});

Deno.test("a name that would break the line, or be taken for another, is quoted", () => {
  const words = told([{ host: 'a\n"b', port: null, failure: "notListed" }])!;
  assert.match(words, /^it asked for a\\n\\"b, which/);
});

Deno.test("a port that is not listed is told by what clients say of it", () => {
  for (
    const stderr of [
      "curl: (7) Failed to connect to api.test port 80 after 0 ms: Couldn't connect to server",
      "fatal: unable to access 'http://api.test:80/': Failed to connect to api.test port 80 after " +
      "0 ms: Couldn't connect to server",
      "Connecting to api.test (api.test)|198.18.0.1|:80... failed: Connection refused.",
      "requests.exceptions.ConnectionError: HTTPConnectionPool(host='api.test', port=80): Max " +
      "retries exceeded with url: / (Caused by NewConnectionError('<urllib3.connection" +
      ".HTTPConnection object at 0x7f>: Failed to establish a new connection: [Errno 111] " +
      "Connection refused'))",
      'psql: error: connection to server at "api.test" (198.18.0.1), port 80 failed: Connection ' +
      "refused",
      "Failed to open TCP connection to api.test:80 (Connection refused - connect(2) for " +
      '"api.test" port 80) (Errno::ECONNREFUSED)',
      "Can't connect to api.test:80 (Connection refused) at x line 1.",
      "error sending request for url (http://api.test:80/): client error (Connect): tcp connect " +
      "error: Connection refused (os error 111)",
    ]
  ) {
    assert.match(
      told([], stderr)!,
      /^it asked for api\.test:80, which its spec does not list: .*api\.test:80/,
      stderr,
    );
  }
  // Python's urllib and Java name nobody.
  const { short, full } = diagnosed([], "<urlopen error [Errno 111] Connection refused>")!;
  assert.equal(full, "it asked for a port that its spec does not list, or for a server beside it");
  assert.equal(short, full, "callers and owner are told the same where nobody is named");
  for (
    const stderr of [
      "Error: connect ECONNREFUSED 198.18.1.0:8001",
      "dial tcp 198.18.1.0:8001: connect: connection refused",
    ]
  ) {
    assert.match(
      told([], stderr)!,
      /^it asked for port 8001 of a host, which its spec does not list/,
      stderr,
    );
  }
  assert.match(told([], "connect ECONNREFUSED 127.0.0.1:5432")!, /^it asked for a server at 127/);
});

Deno.test("a lookup that failed inside is not told as that of a host that is not listed", () => {
  const listed = /^it asked for api\.test, which its spec lists, and the lookup failed inside it: /;
  assert.match(told([], "curl: (6) Could not resolve host: api.test")!, listed);
  assert.match(told([], "curl: (6) Could not resolve host: API.test.")!, /which its spec lists,/);
  assert.match(told([], "dial tcp: lookup a.b.wild.test: i/o timeout")!, /which its spec lists,/);
  assert.match(
    told([], "curl: (6) Could not resolve host: other.test")!,
    /^it asked for other\.test, which its spec does not list: .*--egress/,
  );
  const python = "<urlopen error [Errno -3] Temporary failure in name resolution>";
  assert.match(told([], python)!, /^it looked up a name, and the lookup failed inside it: /);
  assert.equal(diagnosed([], python)!.short, "a name that it looked up was not found");
});

Deno.test("a failure that is none of lookup or port is not told as one", () => {
  const certificate =
    "error sending request for url (https://api.test/): client error (Connect): " +
    "invalid peer certificate: UnknownIssuer";
  assert.equal(told([], certificate), null);
  const refused = "curl: (7) Failed to connect to api.test port 443 after 0 ms: Couldn't connect";
  assert.equal(told([], `${refused} to server`), null);
});

Deno.test("what no run has to do with is told by none", () => {
  assert.equal(told([], "all is well"), null);
});
