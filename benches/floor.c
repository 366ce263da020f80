/* The floor of "hello, world": one thread, nothing decoded. What a server costs above this is its own.
 *
 * floor PORT    HTTP keep-alive: epoll, one read and one write a request
 * floor SOCKET  one request a connection of a UNIX socket: accept, read, write, close */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!";

static int serve_connections(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || chmod(path, 0666) || listen(listener, 1024))
        return 2;
    for (;;) {
        char request[4096];
        int fd = accept(listener, 0, 0);
        if (read(fd, request, sizeof request) > 0 && write(fd, answer, sizeof answer - 1) < 0)
            return 3;
        close(fd);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 1;
    if (strchr(argv[1], '/'))
        return serve_connections(argv[1]);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0), poller = epoll_create1(0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024))
        return 2;
    struct epoll_event wanted = {.events = EPOLLIN, .data.fd = listener}, ready[64];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &wanted);
    for (;;) {
        int count = epoll_wait(poller, ready, 64, -1);
        for (int i = 0; i < count; i++) {
            int fd = ready[i].data.fd;
            if (fd == listener) {
                wanted.data.fd = accept(listener, 0, 0);
                setsockopt(wanted.data.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                epoll_ctl(poller, EPOLL_CTL_ADD, wanted.data.fd, &wanted);
                continue;
            }
            char request[4096];
            if (read(fd, request, sizeof request) <= 0 || write(fd, answer, sizeof answer - 1) < 0)
                close(fd);
        }
    }
}
