/**
 * A service manager as systemd is one to a service: it holds the sockets, passes them on
 * (sd_listen_fds(3)) and hears what it is told (sd_notify(3)). perl does what Deno can't; every
 * Debian has it.
 */
import { join } from "node:path";

/** Descriptors from 3 on, in this order, and then the command; `-` for no names. */
const ACTIVATE = `
use strict; use Socket; use POSIX ();
$^F = 255;
my ($names, $ports, @command) = @ARGV;
my $fd = 3;
my @ports;
my @kept;
for my $port (split /,/, $ports) {
  socket(my $socket, AF_INET, SOCK_STREAM, 0) or die "socket: $!";
  setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, 1);
  bind($socket, sockaddr_in($port, inet_aton("127.0.0.1"))) or die "bind: $!";
  listen($socket, 512) or die "listen: $!";
  push @kept, $socket;
}
my $high = 100;
POSIX::dup2(fileno($_), $high++) for @kept;
for (my $from = 100; $from < $high; $from++) { POSIX::dup2($from, $fd++); POSIX::close($from); }
POSIX::close($_) for $fd .. 99;
$ENV{LISTEN_FDS} = $fd - 3;
$ENV{LISTEN_PID} = $$;
$ENV{LISTEN_FDNAMES} = $names unless $names eq "-";
exec { $command[0] } @command or die "exec: $!";
`;

/** What starts `command` with sockets on these ports of 127.0.0.1, under these names. */
export function activated(
  sockets: Readonly<Record<string, number>>,
  command: readonly string[],
): [string, string[]] {
  const names = Object.keys(sockets).join(":") || "-";
  return ["perl", ["-e", ACTIVATE, names, Object.values(sockets).join(","), ...command]];
}

const HEAR = `
use strict; use Socket;
$| = 1;
socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die "socket: $!";
my $path = $ARGV[0];
$path =~ s/^@/\\0/;
bind($socket, pack_sockaddr_un($path)) or die "bind: $!";
print "hearing\\n";
while (defined recv($socket, my $message, 8192, 0)) {
  print join(" ", grep { length } split(/\\n/, $message)), "\\n";
}
`;

export interface HeardManager extends AsyncDisposable {
  /** NOTIFY_SOCKET. */
  readonly socket: string;
  /** All that it was told, a line each; barriers are left out. */
  readonly told: readonly string[];
  /** Resolves with the first that matches, of what was told before or is from now on. */
  heard(pattern: RegExp): Promise<string>;
}

/** One that hears at a socket in `dir`, or under an abstract name. */
export async function openServiceManager(dir: string, isAbstract = false): Promise<HeardManager> {
  const socket = isAbstract ? `@${dir}/notify` : join(dir, "notify");
  const child = new Deno.Command("perl", {
    args: ["-e", HEAR, socket],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const told: string[] = [];
  const waiting = new Set<{ pattern: RegExp; resolve: (line: string) => void }>();
  const { promise: isHearing, resolve } = Promise.withResolvers<void>();
  const listening = (async () => {
    let rest = "";
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        if (line === "hearing") resolve();
        else if (line !== "BARRIER=1") told.push(line);
        for (const each of waiting) if (each.pattern.test(line)) each.resolve(line);
      }
    }
  })();
  await isHearing;
  return {
    socket,
    told,
    heard(pattern) {
      const known = told.find((line) => pattern.test(line));
      if (known !== undefined) return Promise.resolve(known);
      return new Promise((resolve) => waiting.add({ pattern, resolve }));
    },
    async [Symbol.asyncDispose]() {
      child.kill();
      await Promise.all([listening, child.status]);
    },
  };
}
