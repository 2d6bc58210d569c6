#include "abuse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  int number;
  const char *name;
} ERRNOS[] = {
    {EPERM, "EPERM"},     {ENOENT, "ENOENT"},   {ESRCH, "ESRCH"},
    {EBADF, "EBADF"},     {EAGAIN, "EAGAIN"},   {ENOMEM, "ENOMEM"},
    {EACCES, "EACCES"},   {EFAULT, "EFAULT"},   {EINVAL, "EINVAL"},
    {EMFILE, "EMFILE"},   {ENOTTY, "ENOTTY"},   {EFBIG, "EFBIG"},
    {ENOSPC, "ENOSPC"},   {ETOOMANYREFS, "ETOOMANYREFS"},
    {EROFS, "EROFS"},     {ENOSYS, "ENOSYS"},
    {EPROTONOSUPPORT, "EPROTONOSUPPORT"},       {EAFNOSUPPORT, "EAFNOSUPPORT"},
    {ENETUNREACH, "ENETUNREACH"},               {ECONNREFUSED, "ECONNREFUSED"},
    {ENOEXEC, "ENOEXEC"}, {EADDRINUSE, "EADDRINUSE"}, {ENAMETOOLONG, "ENAMETOOLONG"},
    {ENXIO, "ENXIO"},     {ENODEV, "ENODEV"},   {EOVERFLOW, "EOVERFLOW"},
    {ECONNRESET, "ECONNRESET"},
};

void tell(const char *name, long result) {
  const char *text = result >= 0 ? "ok" : NULL;
  for (size_t i = 0; !text && i < sizeof ERRNOS / sizeof ERRNOS[0]; i++) {
    if (ERRNOS[i].number == errno) text = ERRNOS[i].name;
  }
  if (text) printf("%s %s\n", name, text);
  else printf("%s errno-%d\n", name, errno);
}

void say(const char *name, long value) { printf("%s %ld\n", name, value); }

void say_text(const char *name, const char *value) { printf("%s %s\n", name, value); }

void flush(void) { fflush(stdout); }

/* Undoes %XX in place. */
static char *decode(char *text) {
  char *to = text;
  for (char *from = text; *from; from++) {
    unsigned byte;
    if (*from == '%' && sscanf(from + 1, "%2x", &byte) == 1) {
      *to++ = (char)byte;
      from += 2;
    } else {
      *to++ = *from;
    }
  }
  *to = 0;
  return text;
}

int main(int argc, char **argv) {
  const struct attack *lists[] = {FILE_ATTACKS, KERNEL_ATTACKS, PROCESS_ATTACKS, NETWORK_ATTACKS,
                                  EGRESS_ATTACKS};
  char *url = strdup(argc > 1 ? argv[argc - 1] : "");
  char *query = strstr(url, "?arg=");
  char *argument = query ? decode(query + 5) : "";
  if (query) *query = 0;
  const char *slash = strrchr(url, '/');
  const char *name = slash ? slash + 1 : url;
  for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
    for (const struct attack *attack = lists[i]; attack->name; attack++) {
      if (strcmp(attack->name, name)) continue;
      say_text("ran", name);
      attack->run(argument);
      say_text("end", name);
      return 0;
    }
  }
  fprintf(stderr, "no such case: %s\n", name);
  return 2;
}
