#include "dns.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

enum {
  HEADER_BYTES = 12,
  ANSWER_BYTES = 16,
  LABEL_MAX = 63,
  TTL_S = 60,
  TYPE_A = 1,
  CLASS_IN = 1,
  RESPONSE = 0x80,  /* in the third byte of a message */
  OPCODE = 0x78,
  RECURSION_WANTED = 0x01,
  RECURSION_HAD = 0x80, /* in the fourth */
  NO_ERROR = 0,
  SERVER_FAILURE = 2,
  NO_SUCH_NAME = 3,
};

static bool is_name_character(uint8_t c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Reads the question's name; returns where it ends, 0 when it is none of ours to read. */
static size_t read_name(const uint8_t *query, size_t length, char *name) {
  size_t at = HEADER_BYTES, used = 0;
  while (at < length && query[at] != 0) {
    size_t label = query[at++];
    if (label > LABEL_MAX || at + label >= length || used + label + 1 >= DNS_NAME_MAX) return 0;
    if (used > 0) name[used++] = '.';
    for (size_t i = 0; i < label; i++) {
      uint8_t c = query[at + i];
      if (c >= 'A' && c <= 'Z') c = (uint8_t)(c - 'A' + 'a');
      /* What is in no list must not look like what is: "api.x\0y", "api\.x". */
      name[used++] = (char)(is_name_character(c) ? c : '?');
    }
    at += label;
  }
  name[used] = 0;
  return at < length ? at + 1 : 0;
}

static uint16_t u16_at(const uint8_t *bytes) { return (uint16_t)(bytes[0] << 8 | bytes[1]); }

static size_t append_address(uint8_t *at, uint32_t address) {
  const uint8_t head[] = {0xc0, HEADER_BYTES, 0, TYPE_A, 0, CLASS_IN, 0, 0, 0, TTL_S, 0, 4};
  uint32_t in_order = htonl(address);
  memcpy(at, head, sizeof head);
  memcpy(at + sizeof head, &in_order, 4);
  return ANSWER_BYTES;
}

size_t dns_answer(const uint8_t *query, size_t length, uint8_t *answer, dns_judge *judge,
                  void *with) {
  char name[DNS_NAME_MAX];
  if (length < HEADER_BYTES || length > DNS_MESSAGE_MAX) return 0;
  if (query[2] & (RESPONSE | OPCODE) || u16_at(query + 4) != 1) return 0;
  size_t end = read_name(query, length, name);
  if (end == 0 || end + 4 > length || end + 4 + ANSWER_BYTES > DNS_MESSAGE_MAX) return 0;
  uint16_t type = u16_at(query + end), class = u16_at(query + end + 2);
  uint32_t address = 0;
  enum dns_verdict verdict = judge(name, &address, with);
  bool has_address = verdict == DNS_KNOWN && type == TYPE_A && class == CLASS_IN;
  end += 4;
  memcpy(answer, query, end);
  memset(answer + 6, 0, 6); /* records of the other sections */
  answer[2] = (uint8_t)(RESPONSE | (query[2] & RECURSION_WANTED));
  answer[3] = RECURSION_HAD;
  if (verdict == DNS_REFUSED) answer[3] |= NO_SUCH_NAME;
  if (verdict == DNS_FULL) answer[3] |= SERVER_FAILURE;
  if (!has_address) return end;
  answer[7] = 1;
  return end + append_address(answer + end, address);
}
