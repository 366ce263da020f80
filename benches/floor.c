/* The floor of "hello, world": nothing decoded. What a server costs above this is its own.
 *
 * floor PORT          HTTP keep-alive: epoll, one read and one write a request
 * floor PORT WORKERS  the same by so many processes, to which connections are dealt out in turn; the answer is the process's id
 * floor SOCKET        one request a connection of a UNIX socket: accept, read, write, close */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { MOST_WORKERS = 64 };

static char answer[256];
static int answer_size;

static void prepare(const char *body)
{
    answer_size = snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s",
                           strlen(body), body);
}

static int serve_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || chmod(path, 0666) || listen(listener, 1024))
        return 2;
    for (;;) {
        char request[4096];
        int fd = accept(listener, 0, 0);
        if (read(fd, request, sizeof request) > 0 && write(fd, answer, answer_size) < 0)
            return 3;
        close(fd);
    }
}

/* A connection from the listener, or one that the parent has dealt out. */
static int next_connection(int source, int is_dealt)
{
    int fd = -1, one = 1;
    if (!is_dealt) {
        fd = accept(source, 0, 0);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        return fd;
    }
    char byte, control[CMSG_SPACE(sizeof fd)];
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (recvmsg(source, &message, 0) <= 0)
        exit(0);
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

static void serve_connections(int source, int is_dealt)
{
    int poller = epoll_create1(0);
    struct epoll_event wanted = {.events = EPOLLIN, .data.fd = source}, ready[64];
    epoll_ctl(poller, EPOLL_CTL_ADD, source, &wanted);
    for (;;) {
        int count = epoll_wait(poller, ready, 64, -1);
        for (int i = 0; i < count; i++) {
            int fd = ready[i].data.fd;
            if (fd == source) {
                wanted.data.fd = next_connection(source, is_dealt);
                epoll_ctl(poller, EPOLL_CTL_ADD, wanted.data.fd, &wanted);
                continue;
            }
            char request[4096];
            if (read(fd, request, sizeof request) <= 0 || write(fd, answer, answer_size) < 0)
                close(fd);
        }
    }
}

static void deal(int listener, int workers)
{
    int entries[MOST_WORKERS];
    for (int worker = 0; worker < workers; worker++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
            exit(2);
        if (!fork()) {
            char id[16];
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            snprintf(id, sizeof id, "%d", getpid());
            prepare(id);
            serve_connections(pair[1], 1);
        }
        entries[worker] = pair[0];
    }
    for (int turn = 0;; turn = (turn + 1) % workers) {
        int fd = next_connection(listener, 0);
        char byte = 0, control[CMSG_SPACE(sizeof fd)];
        struct iovec part = {&byte, 1};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET, rights->cmsg_type = SCM_RIGHTS, rights->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(rights), &fd, sizeof fd);
        sendmsg(entries[turn], &message, 0);
        close(fd);
    }
}

int main(int argc, char **argv)
{
    int one = 1, workers = argc == 3 ? atoi(argv[2]) : 1;
    if (argc < 2 || argc > 3 || workers < 1 || workers > MOST_WORKERS)
        return 1;
    prepare("Hello, World!");
    if (strchr(argv[1], '/'))
        return serve_socket(argv[1]);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024))
        return 2;
    if (workers > 1)
        deal(listener, workers);
    serve_connections(listener, 0);
}
