/* What a fallible function answers. One type for the whole house: a caller that must know more
 * (an errno, a line and column) gets it through an argument that the function's contract names. */
#ifndef CENCD_BASE_STATUS_H
#define CENCD_BASE_STATUS_H

enum status {
    STATUS_OK = 0,
    STATUS_NO_MEMORY, /* an allocation failed */
    STATUS_FULL,      /* a limit of ours was reached */
    STATUS_INVALID,   /* the input breaks its format */
    STATUS_NOT_FOUND,
    STATUS_EXISTS,
    STATUS_REFUSED, /* the rules say no */
    STATUS_SYSTEM,  /* the operating system said no; errno tells why */
};

#define MUST_CHECK __attribute__((warn_unused_result))

/* A constant English phrase for logs; never NULL. */
const char *status_text(enum status status);

#endif
