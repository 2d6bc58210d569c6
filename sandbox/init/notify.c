#include "notify.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* One that is no systemd may let the barrier lie. */
enum { BARRIER_MS = 5000, MESSAGE_MAX = 4096 };

static socklen_t address_of(struct sockaddr_un *address) {
  const char *path = getenv("NOTIFY_SOCKET");
  errno = path ? EINVAL : ENOENT;
  size_t length = path ? strlen(path) : 0;
  if (length < 2 || (path[0] != '/' && path[0] != '@')) fatal("NOTIFY_SOCKET");
  if (length >= sizeof address->sun_path) fatal("NOTIFY_SOCKET");
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  memcpy(address->sun_path, path, length);
  if (path[0] == '@') address->sun_path[0] = 0; /* unix(7): an abstract name */
  size_t name = path[0] == '@' ? length : length + 1;
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + name);
}

/* @param passed a descriptor that goes with it; -1 */
static void tell(int fd, char *text, int passed) {
  struct sockaddr_un address;
  struct iovec part = {text, strlen(text)};
  _Alignas(struct cmsghdr) char rights[CMSG_SPACE(sizeof passed)] = {0};
  struct msghdr message = {.msg_name = &address,
                           .msg_namelen = address_of(&address),
                           .msg_iov = &part,
                           .msg_iovlen = 1};
  if (passed >= 0) {
    message.msg_control = rights;
    message.msg_controllen = sizeof rights;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof passed);
    memcpy(CMSG_DATA(head), &passed, sizeof passed);
  }
  if (sendmsg(fd, &message, MSG_NOSIGNAL) < 0) fatal("NOTIFY_SOCKET");
}

int notify_main(int count, char **assignments) {
  char text[MESSAGE_MAX] = "";
  size_t length = 0;
  for (int i = 0; i < count; i++) {
    size_t more = strlen(assignments[i]);
    errno = E2BIG;
    if (length + more + 2 > sizeof text) fatal("the message");
    memcpy(text + length, assignments[i], more);
    length += more;
    text[length++] = '\n';
    text[length] = 0;
  }
  int pair[2], fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || pipe2(pair, O_CLOEXEC)) fatal("socket");
  tell(fd, text, -1);
  /*
   * The manager finds out by our pid whose message it is, so we have to live until it has looked:
   * it closes what comes with a barrier once it has taken in all that came before.
   */
  tell(fd, (char[]){"BARRIER=1"}, pair[1]);
  close(pair[1]);
  struct pollfd closed = {pair[0], 0, 0};
  poll(&closed, 1, BARRIER_MS);
  return 0;
}
