/* Constants that newer kernels have and Debian 12's liburing 2.3 lacks. */
#ifndef CENCD_REACTOR_RING_COMPAT_H
#define CENCD_REACTOR_RING_COMPAT_H

#include <liburing.h>

/* Waits may end early, after a minimum time, with fewer completions than asked for (Linux 6.12). */
#ifndef IORING_FEAT_MIN_TIMEOUT
#define IORING_FEAT_MIN_TIMEOUT (1U << 15)
#endif

#ifndef IORING_FILE_INDEX_ALLOC
#define IORING_FILE_INDEX_ALLOC (~0U)
#endif

#endif
