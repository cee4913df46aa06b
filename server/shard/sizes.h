/* Sizes of a shard that are not configured. */
#ifndef CENCD_SHARD_SIZES_H
#define CENCD_SHARD_SIZES_H

#define ACCEPT_DEPTH 4u /* accepts that a shard keeps armed on a device listener */
#define MAX_SHARDS   512u
#define MAX_SLOTS    1048576u /* descriptors in one ring's table: the kernel's bound is 2^20 */

/* Of the process's own descriptors: a ring and its event for each shard; at most a third of the
 * limit for these. The journal's two rings are counted with the rest: log, store, segments,
 * listening sockets, sockets on their way into a ring. */
#define RING_DESCRIPTORS    2u
#define RING_SHARE          3u
#define PROCESS_DESCRIPTORS 40u

/* Lockable memory of a ring, besides its buffers' descriptors: generous, since other processes of
 * the same user count, too. */
#define RING_LOCKED_BYTES   163840u
#define BUFFER_LOCKED_BYTES 16u

#define STOP_DRAIN_MS 2000u /* agents get this long to read the rest when the server stops */
#define STOP_TURN_MS  20

#endif
