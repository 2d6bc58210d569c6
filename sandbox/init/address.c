#include "address.h"

#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

struct range4 {
  uint32_t first;
  unsigned bits;
};

#define IP4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

static const struct range4 NOT_PUBLIC4[] = {
    {IP4(0, 0, 0, 0), 8},       {IP4(10, 0, 0, 0), 8},      {IP4(100, 64, 0, 0), 10},
    {IP4(127, 0, 0, 0), 8},     {IP4(169, 254, 0, 0), 16},  {IP4(172, 16, 0, 0), 12},
    {IP4(192, 0, 0, 0), 24},    {IP4(192, 0, 2, 0), 24},    {IP4(192, 31, 196, 0), 24},
    {IP4(192, 52, 193, 0), 24}, {IP4(192, 88, 99, 0), 24},  {IP4(192, 168, 0, 0), 16},
    {IP4(192, 175, 48, 0), 24}, {IP4(198, 18, 0, 0), 15},   {IP4(198, 51, 100, 0), 24},
    {IP4(203, 0, 113, 0), 24},  {IP4(224, 0, 0, 0), 3},
    /* The one metadata service of a cloud that stands on a public address: Azure's. */
    {IP4(168, 63, 129, 16), 32},
};

static bool is_public4(uint32_t address) {
  for (size_t i = 0; i < sizeof NOT_PUBLIC4 / sizeof NOT_PUBLIC4[0]; i++) {
    uint32_t mask = ~0u << (32 - NOT_PUBLIC4[i].bits);
    if ((address & mask) == NOT_PUBLIC4[i].first) return false;
  }
  return true;
}

static uint32_t ip4_at(const uint8_t *bytes) { return IP4(bytes[0], bytes[1], bytes[2], bytes[3]); }

struct range6 {
  uint8_t first[8];
  unsigned bits; /* 64 at most */
};

/* Within 2000::/3, of which nothing else is global unicast. */
static const struct range6 NOT_PUBLIC6[] = {
    {{0x20, 0x01, 0x00}, 23},             /* protocols: Teredo, ORCHID, benchmarks ... */
    {{0x20, 0x01, 0x0d, 0xb8}, 32},       /* documentation */
    {{0x3f, 0xff, 0x00}, 20},             /* documentation */
    {{0x26, 0x20, 0x00, 0x4f, 0x80}, 48}, /* AS112 */
};

static bool in_range6(const uint8_t *address, const struct range6 *range) {
  for (unsigned bit = 0; bit < range->bits; bit++) {
    uint8_t mask = (uint8_t)(0x80u >> (bit & 7));
    if ((address[bit >> 3] ^ range->first[bit >> 3]) & mask) return false;
  }
  return true;
}

static bool is_public6(const uint8_t *address) {
  static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
  static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
  /* What reaches an IPv4 address is judged as that. */
  if (!memcmp(address, nat64, 12) || !memcmp(address, mapped, 12)) {
    return is_public4(ip4_at(address + 12));
  }
  if (address[0] == 0x20 && address[1] == 0x02) return is_public4(ip4_at(address + 2));
  if ((address[0] & 0xe0) != 0x20) return false;
  for (size_t i = 0; i < sizeof NOT_PUBLIC6 / sizeof NOT_PUBLIC6[0]; i++) {
    if (in_range6(address, &NOT_PUBLIC6[i])) return false;
  }
  return true;
}

bool address_is_public(const struct sockaddr_storage *address) {
  if (address->ss_family == AF_INET) {
    return is_public4(ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr));
  }
  if (address->ss_family != AF_INET6) return false;
  return is_public6(((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr);
}
