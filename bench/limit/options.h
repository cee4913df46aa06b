/* How the bare limit is to work: its command line, which limit.c explains. */
#ifndef CENCD_BENCH_LIMIT_OPTIONS_H
#define CENCD_BENCH_LIMIT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum receive_kind { RECEIVE_ONCE, RECEIVE_MULTI };

struct options {
    uint16_t listen_port;
    uint16_t backend_port;
    enum receive_kind receive;
    bool poll_first;
    bool after_send;
    bool ring_fd;
    uint32_t buffers;
    uint32_t buffer_size;
    uint32_t pairs;
    uint32_t batch;
    uint32_t setup_flags; /* of io_uring */
};

/* Ends the process, with what is wrong, if the arguments make no sense. */
struct options options_parse(int argc, char **argv);

#endif
