#include "egress.h"
#include "passing.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

bool egress_send(int socket, const struct egress_message *message, int fd) {
  return pass(socket, message, sizeof *message, fd);
}

int64_t egress_receive(int socket, void *bytes, size_t size, int *fd) {
  _Alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof *fd)] = {0};
  struct iovec body = {bytes, size};
  struct msghdr message = {.msg_iov = &body, .msg_iovlen = 1};
  if (fd) {
    *fd = -1;
    message.msg_control = space;
    message.msg_controllen = (socklen_t)CMSG_LEN(sizeof *fd); /* room for one and no second */
  }
  ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return -1;
  if (got <= 0) return 0;
  struct cmsghdr *header = fd ? CMSG_FIRSTHDR(&message) : NULL;
  if (header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof *fd)) {
    memcpy(fd, CMSG_DATA(header), sizeof *fd);
  }
  return got;
}
