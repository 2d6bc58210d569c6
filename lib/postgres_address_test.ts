import assert from "node:assert/strict";
import { describeAddress, parseDatabaseAddress } from "./postgres_address.ts";

Deno.test("an address has hosts, a user, a database and files, in libpq's words", () => {
  const address = parseDatabaseAddress(
    "postgresql://ni%40no@a.example:5433,[::1],b.example/mon%20ey?sslrootcert=/ca.pem&passfile=/p",
  );
  assert.deepEqual(address, {
    hosts: [
      { host: "a.example", port: 5_433 },
      { host: "[::1]", port: 5_432 },
      { host: "b.example", port: 5_432 },
    ],
    user: "ni@no",
    database: "mon ey",
    passfile: "/p",
    tls: { ca: "/ca.pem" },
  });
  assert.equal(describeAddress(address), "a.example:5433,[::1]:5432,b.example:5432/mon ey");
});

Deno.test("TLS is wanted of every machine but this one, unless somebody says otherwise", () => {
  const tlsOf = (text: string) => parseDatabaseAddress(`postgres://nino@${text}`).tls;
  assert.deepEqual(tlsOf("db.example/money"), { ca: null });
  assert.deepEqual(tlsOf("127.0.0.1,db.example/money"), { ca: null });
  assert.deepEqual(tlsOf("127.0.0.1/money?sslrootcert=system"), { ca: null });
  assert.equal(tlsOf("localhost:1,127.0.0.2,[::1]/money"), null);
  assert.equal(tlsOf("db.example/money?sslmode=disable"), null);
});

const REFUSED = {
  "http://nino@db/money": "is not postgres://USER@HOST:PORT/DATABASE",
  "postgres://nino@db": "is not postgres://USER@HOST:PORT/DATABASE",
  "postgres://db/money": "names no user",
  "postgres://nino:secret@db/money": "holds a password",
  "postgres://nino@db:0/money": 'has the host "db:0"',
  "postgres://nino@db:99999/money": 'has the host "db:99999"',
  "postgres://nino@a,,b/money": 'has the host ""',
  "postgres://nino@db/money?sslmode=require": "has sslmode=require",
  "postgres://nino@db/money?sslmode=disable&sslrootcert=/c": "sslrootcert beside sslmode=disable",
  "postgres://nino@db/money?password=x": 'has "password", which is none of',
};

Deno.test("what is no address, or would send money's numbers to anybody, is refused by name", () => {
  for (const [text, why] of Object.entries(REFUSED)) {
    assert.throws(() => parseDatabaseAddress(text), (error: Error) => {
      assert.ok(error.message.includes(why), `${text}: ${error.message}`);
      assert.ok(!error.message.includes("secret"));
      return true;
    });
  }
});
