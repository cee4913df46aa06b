/* Sizes of a shard that are not configured. */
#ifndef CENCD_SHARD_SIZES_H
#define CENCD_SHARD_SIZES_H

#define ACCEPT_DEPTH 4u /* accepts that a shard keeps armed on a device listener */
#define MAX_SHARDS   512u
#define MAX_SLOTS    1048576u /* descriptors in one ring's table: the kernel's bound is 2^20 */

#define STOP_DRAIN_MS 2000u /* agents get this long to read the rest when the server stops */
#define STOP_TURN_MS  20

#endif
