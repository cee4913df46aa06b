/* The body of an import: up to 256 MiB, kept in memory while it is one at a time, and made zeros
 * afterwards, since passwords may be in it. It never touches a disk. */
#ifndef CENCD_OPS_ADMIN_UPLOAD_H
#define CENCD_OPS_ADMIN_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>

#define ADMIN_UPLOAD_MAX (256u << 20)

struct admin_upload {
    char *text;
    size_t size;
    bool too_large; /* the rest was thrown away */
};

/* NULL: another import is under way, or no memory. Any thread. */
struct admin_upload *admin_upload_begin(void);
void admin_upload_keep(struct admin_upload *upload, const char *data, size_t size);
void admin_upload_end(struct admin_upload *upload); /* NULL: nothing */

#endif
