/** A server that leaks what its first argument says, for each connection: a census must see it. */
const [leak, home] = Deno.args;
const kept: unknown[] = [];
const children: Deno.ChildProcess[] = [];

async function lose(): Promise<void> {
  if (leak === "descriptors") kept.push(await Deno.open("/dev/null"));
  if (leak === "processes") children.push(sleeper());
  if (leak === "inodes") await Deno.makeTempFile({ dir: home! });
  if (leak === "rssKib") kept.push(new Uint8Array(4 * 1024 * 1024).fill(1));
}

const sleeper = () => new Deno.Command("sleep", { args: ["60"] }).spawn();

Deno.addSignalListener("SIGTERM", () => {
  for (const child of children) child.kill();
  Deno.exit();
});

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
await Deno.stdout.write(new TextEncoder().encode(`${listener.addr.port}\n`));
for await (const connection of listener) {
  await lose();
  connection.close();
}
