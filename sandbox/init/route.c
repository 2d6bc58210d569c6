/* By rtnetlink: `ip route get`, rtnetlink(7). */
#include "route.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static struct {
  int socket;
  uint32_t asked;
} tables;

struct question {
  struct nlmsghdr head;
  struct rtmsg route;
  struct rtattr attribute;
  uint8_t address[16];
};

union reply {
  struct nlmsghdr head;
  uint8_t bytes[4096];
};

bool route_open(void) {
  tables.socket = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  return tables.socket >= 0;
}

static bool ask(const struct sockaddr_storage *to) {
  bool is4 = to->ss_family == AF_INET;
  uint16_t size = is4 ? 4 : 16;
  struct question question = {
      .head = {.nlmsg_type = RTM_GETROUTE,
               .nlmsg_flags = NLM_F_REQUEST,
               .nlmsg_seq = ++tables.asked},
      /* The route itself, and not what it comes to for that address. */
      .route = {.rtm_family = (uint8_t)to->ss_family,
                .rtm_dst_len = (uint8_t)(size * 8),
                .rtm_flags = RTM_F_FIB_MATCH},
      .attribute = {.rta_len = (uint16_t)RTA_LENGTH(size), .rta_type = RTA_DST},
  };
  if (is4) memcpy(question.address, &((const struct sockaddr_in *)to)->sin_addr, size);
  else memcpy(question.address, &((const struct sockaddr_in6 *)to)->sin6_addr, size);
  question.head.nlmsg_len = (uint32_t)(offsetof(struct question, address) + size);
  return send(tables.socket, &question, question.head.nlmsg_len, 0) ==
         (ssize_t)question.head.nlmsg_len;
}

/* The answer to the last question, which is there as soon as it is asked; NULL when it is not. */
static const struct nlmsghdr *take_answer(union reply *reply) {
  for (;;) {
    ssize_t got = recv(tables.socket, reply, sizeof *reply, MSG_DONTWAIT);
    if (got < (ssize_t)sizeof reply->head) return NULL;
    if (reply->head.nlmsg_seq == tables.asked) return &reply->head;
  }
}

/* Whether one of these attributes, or of the first of several paths, names who passes it on. */
static bool has_gateway(const struct rtattr *one, long left) {
  for (; RTA_OK(one, left); one = RTA_NEXT(one, left)) {
    if (one->rta_type == RTA_GATEWAY || one->rta_type == RTA_VIA) return true;
    if (one->rta_type != RTA_MULTIPATH) continue;
    const struct rtnexthop *path = RTA_DATA(one);
    long rest = path->rtnh_len - (long)sizeof *path;
    if (has_gateway((const struct rtattr *)(path + 1), rest)) return true;
  }
  return false;
}

bool route_is_near(const struct sockaddr_storage *address) {
  union reply reply;
  const struct nlmsghdr *answer = ask(address) ? take_answer(&reply) : NULL;
  if (!answer) return true;
  /* There is none: to connect fails likewise. */
  if (answer->nlmsg_type == NLMSG_ERROR) return false;
  const struct rtmsg *route = NLMSG_DATA(answer);
  if (route->rtm_type != RTN_UNICAST) return true;
  return route->rtm_dst_len > 0 && !has_gateway(RTM_RTA(route), (long)RTM_PAYLOAD(answer));
}
