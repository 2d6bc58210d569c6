#include "network.h"
#include "egress.h"
#include "sys.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAITING_MAX = 64 }; /* at each listener; who comes then tries again after a second */

static void set_address(int fd, const char *name, unsigned long request, const char *address) {
  struct ifreq wanted = {0};
  struct sockaddr_in in = {.sin_family = AF_INET};
  inet_pton(AF_INET, address, &in.sin_addr);
  memcpy(wanted.ifr_name, name, strlen(name));
  memcpy(&wanted.ifr_addr, &in, sizeof in);
  if (ioctl(fd, (int)request, &wanted)) fatal("network address");
}

/*
 * An address with a netmask on the loopback makes all that the mask covers local. It also tells
 * libraries that there is a network: with 127.0.0.1 alone some would not ask for names.
 */
static void raise_loopback(int fd) {
  struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  if (ioctl(fd, SIOCSIFFLAGS, &lo)) fatal("loopback");
  set_address(fd, "lo:1", SIOCSIFADDR, EGRESS_FIRST_ADDRESS);
  set_address(fd, "lo:1", SIOCSIFNETMASK, EGRESS_NETMASK);
}

static void bind_resolver(int fd) {
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(EGRESS_RESOLVER_PORT)};
  inet_pton(AF_INET, EGRESS_RESOLVER_ADDRESS, &here.sin_addr);
  if (bind(fd, (struct sockaddr *)&here, sizeof here)) fatal("resolver's port");
}

void network_open(int relay) {
  const struct egress_message message = {.kind = EGRESS_RESOLVER};
  if (unshare(CLONE_NEWNET)) fatal("network namespace");
  int resolver = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (resolver < 0) fatal("resolver's socket");
  raise_loopback(resolver);
  bind_resolver(resolver);
  if (!egress_send(relay, &message, resolver)) fatal("the resolver's socket cannot be sent");
  close(resolver);
}

static bool listen_at(int fd, uint32_t address, uint16_t port) {
  struct sockaddr_in here = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(address)};
  return bind(fd, (struct sockaddr *)&here, sizeof here) == 0 && listen(fd, WAITING_MAX) == 0;
}

void network_listen(int relay, const struct egress_message *wish) {
  struct egress_message answer = {.kind = EGRESS_LISTENS};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  bool listens = fd >= 0 && listen_at(fd, wish->address, (uint16_t)wish->port) &&
                 egress_send(relay, &answer, fd);
  if (fd >= 0) close(fd);
  answer.kind = EGRESS_TAKEN;
  if (!listens) egress_send(relay, &answer, -1);
}
