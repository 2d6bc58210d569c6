#include "passing.h"

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

bool pass(int socket, const void *bytes, size_t size, int fd) {
  _Alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof fd)] = {0};
  struct iovec body = {(void *)(uintptr_t)bytes, size};
  struct msghdr message = {.msg_iov = &body, .msg_iovlen = 1};
  if (fd >= 0) {
    message.msg_control = space;
    message.msg_controllen = sizeof space;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = (socklen_t)CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  return sendmsg(socket, &message, MSG_NOSIGNAL) == (ssize_t)size;
}
