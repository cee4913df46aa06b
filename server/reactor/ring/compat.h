/* Constants that newer kernels have and Debian 12's liburing 2.3 lacks. */
#ifndef CENCD_REACTOR_RING_COMPAT_H
#define CENCD_REACTOR_RING_COMPAT_H

#include <liburing.h>

#ifndef IORING_FILE_INDEX_ALLOC
#define IORING_FILE_INDEX_ALLOC (~0U)
#endif

#endif
