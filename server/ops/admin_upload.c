#include "server/ops/admin_upload.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "server/base/check.h"

static atomic_bool busy;

/* Room for the largest is set aside at once and only what is used becomes memory: so no copy is
 * left behind by growing. */
struct admin_upload *admin_upload_begin(void)
{
    bool free_before = false;

    if (!atomic_compare_exchange_strong(&busy, &free_before, true))
        return NULL;
    struct admin_upload *upload = calloc(1, sizeof(*upload));
    char *text = upload == NULL ? MAP_FAILED
                                : mmap(NULL, ADMIN_UPLOAD_MAX, PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (text == MAP_FAILED) {
        free(upload);
        atomic_store(&busy, false);
        return NULL;
    }
    (void)madvise(text, ADMIN_UPLOAD_MAX, MADV_DONTDUMP);
    upload->text = text;
    return upload;
}

void admin_upload_keep(struct admin_upload *upload, const char *data, size_t size)
{
    if (size > ADMIN_UPLOAD_MAX - upload->size) {
        upload->too_large = true;
        return;
    }
    memcpy(upload->text + upload->size, data, size);
    upload->size += size;
}

void admin_upload_end(struct admin_upload *upload)
{
    if (upload == NULL)
        return;
    explicit_bzero(upload->text, upload->size);
    CHECK(munmap(upload->text, ADMIN_UPLOAD_MAX) == 0);
    free(upload);
    atomic_store(&busy, false);
}
