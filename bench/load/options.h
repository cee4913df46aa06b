/* What the load generator was asked to do; see `load --help`. */
#ifndef CENCD_BENCH_LOAD_OPTIONS_H
#define CENCD_BENCH_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum mode { MODE_REQUEST, MODE_BULK, MODE_CHURN, MODE_IDLE };
enum direction { DIRECTION_UP, DIRECTION_DOWN }; /* agent to device, device to agent */

struct options {
    enum mode mode;
    bool devices;          /* the echo side dials in (cencd) instead of being connected to */
    uint16_t front_port;   /* where agents connect; devices: where devices dial in */
    uint16_t echo_port;    /* where the relay connects to; devices: cencd's ops port */
    uint32_t sessions;     /* churn: concurrent clients */
    uint32_t device_count; /* churn with devices: devices to take turns; idle: 0 = no agents */
    uint32_t size_bytes;   /* of a request */
    enum direction direction;
    double seconds;
    double warm_up_seconds;
    pid_t pid;                  /* the relay, whose CPU time is measured; 0: none */
    const char *allocations;    /* file in which bench/malloc_count.c counts; NULL: none */
    uint64_t system_call_event; /* id of raw_syscalls:sys_enter; 0: not counted */
};

/* Prints what is wrong and exits with 2 if the arguments make no sense. */
struct options options_parse(int argc, char **argv);

#endif
