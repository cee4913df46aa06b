#include "agents/cencctl/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents/cencctl/cencctl.h"
#include "agents/cencctl/print.h"
#include "server/journal/catalog.h"
#include "server/journal/scan.h"

static int can_not_read(const char *path, int number)
{
    (void)fprintf(stderr, "cencctl: can't read %s: %s\n", path, strerror(-number));
    return EXIT_UNREAD;
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* What was wrong with a segment, on stderr; EXIT_GOOD if nothing was. */
static int judge(enum status status, const char *path, const struct segment_scan *scan)
{
    switch (status) {
    case STATUS_OK:
        return EXIT_GOOD;
    case STATUS_INVALID:
        (void)fprintf(stderr,
                      "cencctl: %s is damaged at offset %" PRIu64
                      ": what was committed is bad or missing\n",
                      path, scan->end_offset);
        return EXIT_DAMAGED;
    case STATUS_SYSTEM:
        return can_not_read(path, scan->error);
    default:
        return can_not_read(path, -ENOMEM);
    }
}

static int worse(int left, int right)
{
    return left > right ? left : right;
}

/* ---- verify ---- */

struct tally {
    uint64_t first;
    uint64_t last;
    uint64_t records;
    uint64_t segments;
};

static void report(const char *path, const struct segment_scan *scan, enum status status,
                   bool is_last)
{
    (void)printf("%s: ", file_name(path));
    if (scan->records > 0)
        (void)printf("%" PRIu64 " to %" PRIu64 ", ", scan->last_sequence - scan->records + 1,
                     scan->last_sequence);
    (void)printf("%" PRIu64 " records, %" PRIu64 " bytes", scan->records, scan->file_bytes);
    if (scan->header_good && scan->header.batch > 0)
        (void)printf(", a batch of %" PRIu32, scan->header.batch);
    if (status == STATUS_INVALID)
        (void)printf(", damaged at offset %" PRIu64, scan->end_offset);
    else if (is_last && scan->file_bytes > scan->end_offset)
        (void)printf(", torn tail of %" PRIu64 " bytes", scan->file_bytes - scan->end_offset);
    else if (is_last && scan->sealed)
        (void)printf(", sealed");
    (void)printf("\n");
}

static int verify_segment(const char *folder, const struct catalog *catalog, size_t index,
                          struct tally *tally)
{
    struct segment_scan scan;
    char path[PATH_SIZE];
    const struct segment *segment = &catalog->segments[index];
    segment_file_path(folder, segment, path);
    enum status status =
        segment_scan(path, segment->first, catalog_end(catalog, index), NULL, NULL, &scan);
    if (status == STATUS_OK || status == STATUS_INVALID) {
        report(path, &scan, status, index + 1 == catalog->count);
        tally->segments++;
        tally->records += scan.records;
        if (tally->first == 0)
            tally->first = segment->first;
        tally->last = scan.records > 0 ? scan.last_sequence : segment->first - 1;
    }
    return judge(status, path, &scan);
}

static int verify(const char *folder)
{
    struct catalog catalog;
    struct tally tally = {0};
    int result = catalog_read(folder, &catalog);
    int code = result < 0 ? can_not_read(folder, result) : EXIT_GOOD;
    for (size_t i = 0; i < catalog.count && result == 0; i++)
        if (!catalog_outdone(&catalog, i))
            code = worse(code, verify_segment(folder, &catalog, i, &tally));
    if (result == 0 && tally.records > 0)
        (void)printf("%s: %" PRIu64 " to %" PRIu64 ", %" PRIu64 " records in %" PRIu64
                     " segments\n",
                     code == EXIT_GOOD ? "whole" : "not whole", tally.first, tally.last,
                     tally.records, tally.segments);
    else if (code == EXIT_GOOD)
        (void)printf("whole: no records\n");
    catalog_free(&catalog);
    return code;
}

/* ---- dump ---- */

static int dump(const char *folder, const struct print_choice *choice)
{
    struct catalog catalog;
    struct printer *printer = printer_create(choice);
    int result = printer != NULL ? catalog_read(folder, &catalog) : -ENOMEM;
    if (result < 0) {
        printer_free(printer);
        return can_not_read(folder, result);
    }
    int code = EXIT_GOOD;
    for (size_t i = 0; i < catalog.count; i++) {
        struct segment_scan scan;
        char path[PATH_SIZE];
        uint64_t end = catalog_end(&catalog, i);
        if (catalog_outdone(&catalog, i) || end <= choice->from ||
            catalog.segments[i].first > choice->to)
            continue;
        segment_file_path(folder, &catalog.segments[i], path);
        enum status status =
            segment_scan(path, catalog.segments[i].first, end, print_record, printer, &scan);
        code = worse(code, judge(status, path, &scan));
    }
    catalog_free(&catalog);
    printer_free(printer);
    return code;
}

/* ---- words ---- */

static bool number(const char *text, uint64_t *value)
{
    char *end = NULL;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
}

static int to_the_end(int code)
{
    if (fflush(stdout) != 0)
        return can_not_read("what was asked to its end: the output takes no more", -errno);
    return code;
}

int journal_verify(const struct request *request)
{
    return to_the_end(verify(request->operands[0]));
}

int journal_dump(const struct request *request)
{
    struct print_choice choice = {.from = 1, .to = UINT64_MAX};
    const char *from = request_given(request, "from");
    const char *to = request_given(request, "to");

    choice.kind = request_given(request, "kind");
    if (from != NULL && !number(from, &choice.from))
        return usage_error("no sequence: ", from);
    if (to != NULL && !number(to, &choice.to))
        return usage_error("no sequence: ", to);
    if (choice.kind != NULL && !print_knows_kind(choice.kind))
        return usage_error("no kind of event: ", choice.kind);
    return to_the_end(dump(request->operands[0], &choice));
}
