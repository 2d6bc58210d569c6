#include "names.h"

#include <string.h>

/* 198.18.1.0: below it stand the loopback's own addresses. After it comes 198.19.255.255. */
enum { FIRST = 0xc6120100, ADDRESSES = 0x1ff00 };

static bool is_used(const struct name *name) { return name->text[0] != 0; }

struct name *names_find(struct names *names, const char *text) {
  for (uint32_t i = 0; i < NAMES_MAX; i++) {
    if (is_used(&names->name[i]) && !strcmp(names->name[i].text, text)) return &names->name[i];
  }
  return NULL;
}

struct name *names_at(struct names *names, uint32_t address) {
  for (uint32_t i = 0; i < NAMES_MAX; i++) {
    if (is_used(&names->name[i]) && names->name[i].address == address) return &names->name[i];
  }
  return NULL;
}

static uint32_t next_address(struct names *names) {
  uint32_t address;
  do address = (uint32_t)FIRST + names->addresses++ % ADDRESSES;
  while (names_at(names, address));
  return address;
}

struct name *names_add(struct names *names, const char *text) {
  if (text[0] == 0 || strlen(text) >= DNS_NAME_MAX) return NULL;
  for (uint32_t i = 0; i < NAMES_MAX; i++) {
    struct name *name = &names->name[i];
    if (is_used(name)) continue;
    *name = (struct name){.index = i, .address = next_address(names)};
    strcpy(name->text, text);
    names_use(names, name);
    return name;
  }
  return NULL;
}

void names_use(struct names *names, struct name *name) { name->used = ++names->uses; }

struct name *names_oldest(struct names *names) {
  struct name *oldest = NULL;
  for (uint32_t i = 0; i < NAMES_MAX; i++) {
    struct name *name = &names->name[i];
    if (!is_used(name) || name->lasting || name->looking || name->connections > 0) continue;
    if (!oldest || name->used < oldest->used) oldest = name;
  }
  return oldest;
}

void names_forget(struct name *name) { name->text[0] = 0; }
