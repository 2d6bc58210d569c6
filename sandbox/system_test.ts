import assert from "node:assert/strict";
import { parseMachine, readMachine, runTool } from "./system.ts";

Deno.test("tools are used in no other way than those that up and down need", async () => {
  const refused = [
    ["systemctl", "daemon-reexec"],
    ["systemctl", "enable", "--now", "khachapuri.service"],
    ["systemctl", "start", "sshd.service"],
    ["systemctl", "start"],
    ["systemctl", "start", "khachapuri.service", "sshd.service"],
    ["apt-get", "-q", "update", "-o", "APT::Update::Pre-Invoke::=sh"],
    ["apt-get", "-q", "-y", "--no-install-recommends", "install", "netcat"],
    [
      "useradd",
      "--system",
      "--no-create-home",
      "--home-dir",
      "/var/../root",
      "--shell",
      "/usr/sbin/nologin",
      "khachapuri",
    ],
    ["/bin/sh", "-c", "id"],
    ["sh", "-c", "id"],
    ["runuser", "relative", "doctor"],
    ["runuser", "/var/lib/khachapuri"],
    ["sysctl", "-q", "-p", "/tmp/mine.conf"],
  ];
  for (const words of refused) {
    const { code, stdout } = await runTool(words);
    assert.deepEqual({ code, stdout }, { code: 2, stdout: "" }, words.join(" "));
  }
});

Deno.test("a tool that is used as it may be is started, with its own end", async () => {
  const { code, stderr } = await runTool([
    "sysctl",
    "-q",
    "-p",
    "/etc/sysctl.d/60-khachapuri.conf",
  ]);
  assert.notEqual(code, 2);
  assert.doesNotMatch(stderr, /is not used so/);
});

Deno.test("what a machine is set to is told, and what it has no setting for", async () => {
  const { addresses } = await readMachine();
  assert(
    addresses.every((address) => address !== "127.0.0.1" && address !== "::1"),
    addresses + "",
  );
  assert.deepEqual(
    parseMachine("migrateReq=1\nusernsClone=-\napparmorUserns=1\nprofile=0\naddress=fd00::2\n"),
    {
      migrateReq: "1",
      usernsClone: null,
      apparmorUserns: "1",
      hasProfile: false,
      addresses: ["fd00::2"],
    },
  );
});
