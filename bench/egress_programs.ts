/** What `bench egress` measures with: one static C program that is server, client and CGI. */
import { join } from "node:path";
import { buildStatic } from "../worlds/static_program.ts";

/** Of each exchange. */
const EXCHANGE_BYTES = 1_024;

/**
 * `serve`: prints its port; one connection after the other: 'e' is answered with as much, 'd' with
 * bytes until the client has enough, 'u' with one byte at the end of the client's.
 * `exchange HOST PORT N`: connects, says 1 KiB and hears as much, N times; µs of each.
 * `down|up HOST PORT BYTES`: bytes a µs.
 * `hear HOST PORT PATH`: an HTTP client; µs from an event's writing to its arrival, for each event.
 * Without arguments: a CGI program of events, each with the time at which it was written.
 * Times are of CLOCK_MONOTONIC, which sandboxes share with their machine.
 */
const SOURCE = `#define _GNU_SOURCE
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EXCHANGE = ${EXCHANGE_BYTES}, EVENTS = 10, BETWEEN_US = 20000 };
static char bytes[1 << 20];

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int fail(const char *what) {
  perror(what);
  exit(1);
}

static void put(int fd, size_t length) {
  for (size_t done = 0; done < length;) {
    ssize_t sent = write(fd, bytes, length - done);
    if (sent <= 0) fail("write");
    done += (size_t)sent;
  }
}

static void get(int fd, size_t length) {
  for (size_t done = 0; done < length;) {
    ssize_t got = read(fd, bytes, length - done < sizeof bytes ? length - done : sizeof bytes);
    if (got <= 0) fail("read");
    done += (size_t)got;
  }
}

static void no_delay(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void answer(int fd) {
  get(fd, EXCHANGE);
  if (bytes[0] == 'e') put(fd, EXCHANGE);
  if (bytes[0] == 'd') while (write(fd, bytes, sizeof bytes) > 0) continue;
  if (bytes[0] != 'u') return;
  while (read(fd, bytes, sizeof bytes) > 0) continue;
  put(fd, 1);
}

static int serve(void) {
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof here;
  int door = socket(AF_INET, SOCK_STREAM, 0);
  signal(SIGPIPE, SIG_IGN);
  if (bind(door, (struct sockaddr *)&here, size) || listen(door, 100)) fail("listen");
  getsockname(door, (struct sockaddr *)&here, &size);
  printf("%d\\n", ntohs(here.sin_port));
  fflush(stdout);
  for (;;) {
    int fd = accept(door, NULL, NULL);
    if (fd < 0) fail("accept");
    no_delay(fd);
    answer(fd);
    close(fd);
  }
}

static struct addrinfo *find(char **argv) {
  struct addrinfo wanted = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
  if (getaddrinfo(argv[2], argv[3], &wanted, &found)) fail("look up");
  return found;
}

static int join(const struct addrinfo *host, char kind) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  no_delay(fd);
  if (connect(fd, host->ai_addr, host->ai_addrlen)) fail("connect");
  if (!kind) return fd;
  bytes[0] = kind;
  put(fd, EXCHANGE);
  return fd;
}

static int exchange(char **argv) {
  struct addrinfo *host = find(argv);
  for (int left = atoi(argv[4]); left > 0; left--) {
    double start = now_us();
    int fd = join(host, 'e');
    get(fd, EXCHANGE);
    printf("%.1f\\n", now_us() - start);
    close(fd);
  }
  return 0;
}

static int throughput(char **argv) {
  size_t length = strtoul(argv[4], NULL, 10);
  char kind = argv[1][0];
  double start = now_us();
  int fd = join(find(argv), kind);
  if (kind == 'd') get(fd, length);
  else put(fd, length);
  shutdown(fd, SHUT_WR);
  if (kind == 'u') get(fd, 1);
  printf("%.1f\\n", (double)length / (now_us() - start));
  return 0;
}

static int hear(char **argv) {
  int fd = join(find(argv), 0);
  size_t held = 0;
  dprintf(fd, "GET %s HTTP/1.1\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n", argv[4], argv[2]);
  for (ssize_t got; (got = read(fd, bytes + held, sizeof bytes - 1 - held)) > 0;) {
    double now = now_us();
    held += (size_t)got;
    bytes[held] = 0;
    for (char *at = bytes; (at = strstr(at, "data: ")); *at = '-') {
      printf("%.1f\\n", now - strtod(at + 6, NULL));
    }
  }
  return 0;
}

static int tell(void) {
  const char *kind = getenv("QUERY_STRING");
  printf("Content-Type: text/%s\\r\\n\\r\\n", kind && *kind ? kind : "plain");
  for (int i = 0; i < EVENTS; i++) {
    printf("data: %.1f\\n\\n", now_us());
    fflush(stdout);
    usleep(BETWEEN_US);
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 2) return tell();
  if (strcmp(argv[1], "nothing") == 0) return 0;
  if (strcmp(argv[1], "serve") == 0) return serve();
  if (strcmp(argv[1], "exchange") == 0) return exchange(argv);
  if (strcmp(argv[1], "hear") == 0) return hear(argv);
  return throughput(argv);
}
`;

/**
 * Builds it into a program folder.
 * @returns its path, which ends in "main"
 */
export async function buildCaller(folder: string): Promise<string> {
  await Deno.mkdir(folder, { mode: 0o755 });
  return await buildStatic(join(folder, "main"), SOURCE);
}

/** A server outside of every sandbox. */
export interface Outside extends AsyncDisposable {
  readonly port: number;
}

export async function startOutside(program: string): Promise<Outside> {
  const child = new Deno.Command(program, { args: ["serve"], stdin: "null", stdout: "piped" })
    .spawn();
  const reader = child.stdout.getReader();
  const port = Number(new TextDecoder().decode((await reader.read()).value));
  return {
    port,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await reader.cancel();
      await child.status;
    },
  };
}
