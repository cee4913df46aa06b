#include "server/ops/samples.h"

#include <inttypes.h>

void sample_head(struct page *page, const char *name, enum sample_type type, const char *help)
{
    static const char *const types[] = {
        [SAMPLE_COUNTER] = "counter", [SAMPLE_GAUGE] = "gauge", [SAMPLE_HISTOGRAM] = "histogram"};

    page_print(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, types[type]);
}

void sample_only(struct page *page, const char *name, enum sample_type type, uint64_t value,
                 const char *help)
{
    sample_head(page, name, type, help);
    page_print(page, "%s %" PRIu64 "\n", name, value);
}
