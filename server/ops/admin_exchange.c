/* Import and export. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codec/proto/text.h"
#include "server/base/log.h"
#include "server/directory/keeper.h"
#include "server/exchange/cehes.h"
#include "server/exchange/csv_read.h"
#include "server/exchange/export.h"
#include "server/exchange/plan.h"
#include "server/ops/admin_request.h"
#include "server/ops/admin_upload.h"

#define STORE_PATIENCE_S 30u /* less than a client waits, and than HTTPS lets it */
#define STORE_RETRY_S    10u
#define BATCH_PATIENCE_S 30u    /* the same, ... */
#define BYTES_PER_S      32000u /* ... and more for a large file, as HTTPS has it */
#define BATCH_MOST_S     600u
#define EXPORT_BLOCK     65536u

static const struct log_context module = {.module = "exchange"};

/* ---- what both ask ---- */

static bool read_format(struct admin_request *request, enum exchange_format *format)
{
    const char *name = admin_query(request, "format");

    if (name != NULL && strcmp(name, "cehes") == 0)
        *format = EXCHANGE_CEHES;
    else if (name != NULL && strcmp(name, "csv") == 0)
        *format = EXCHANGE_CSV;
    else
        admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid", "format is neither cehes nor csv");
    return request->status == MHD_HTTP_OK;
}

/* Details are in the store only, which is a moment behind. */
static bool store_is_up_to_date(const struct server *server)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    uint64_t wanted = atomic_load(&server->journal_counters->committed);

    for (unsigned i = 0; i < STORE_PATIENCE_S * 50; i++) {
        if (atomic_load(&server->keeper_counters->sequence) >= wanted)
            return true;
        if (atomic_load(&server->stopping))
            return false;
        (void)nanosleep(&pause, NULL);
    }
    return false;
}

static bool open_details(struct admin_request *request, struct details **details)
{
    char path[512];
    const struct server *server = request->server;

    (void)snprintf(path, sizeof(path), "%s/directory.sqlite", server->config->server.state_dir);
    if (!store_is_up_to_date(server)) {
        request->retry_after_s = STORE_RETRY_S;
        admin_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "unavailable",
                     "the directory's store is still behind the journal, after %u s: nothing was "
                     "done, try again later",
                     STORE_PATIENCE_S);
        return false;
    }
    if (details_open(path, details) == STATUS_OK)
        return true;
    admin_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "unavailable",
                 "the directory's store can't be read");
    return false;
}

/* Texts of a file may have been cut in the midst of a character. */
static json_t *safe_text(const char *text)
{
    char safe[PROTO_TEXT_SIZE(EXCHANGE_FAULT_TEXT)];

    (void)proto_text(text, strlen(text), safe, sizeof(safe));
    return json_string(safe);
}

/* ---- import ---- */

struct importing {
    struct admin_request *request;
    struct exchange exchange;
    struct plan plan;
    struct plan_config config;
    struct edit_batch batch;
    enum exchange_format format;
    const char *project;
    bool dry_run;
};

static json_t *show_fault(const struct exchange_fault *fault)
{
    return json_pack("{s:o, s:I, s:I, s:o}", "path", safe_text(fault->path), "line",
                     (json_int_t)fault->line, "column", (json_int_t)fault->column, "text",
                     safe_text(fault->text));
}

static void refuse_with_faults(struct importing *importing, unsigned status, const char *word)
{
    const struct exchange_faults *faults = &importing->exchange.faults;
    json_t *list = json_array();

    admin_refuse(importing->request, status, word, "%zu fault%s in the file: nothing was imported",
                 faults->found, faults->found == 1 ? "" : "s");
    for (size_t i = 0; i < faults->count; i++)
        (void)json_array_append_new(list, show_fault(&faults->list[i]));
    (void)json_object_set_new(importing->request->answer, "errors", list);
    (void)json_object_set_new(importing->request->answer, "errors_found",
                              json_integer((json_int_t)faults->found));
}

/* False: it was answered. */
static bool came_through(struct importing *importing, enum status status)
{
    switch (status) {
    case STATUS_OK:
        break;
    case STATUS_FULL:
        admin_refuse(importing->request, MHD_HTTP_CONTENT_TOO_LARGE, "too_large",
                     "more than %u entries, or not enough memory: take the file apart",
                     EXCHANGE_MAX_ITEMS);
        return false;
    case STATUS_SYSTEM:
        if (importing->request->answer == NULL)
            admin_refuse(importing->request, MHD_HTTP_SERVICE_UNAVAILABLE, "unavailable",
                         "the directory's store can't be read");
        return false;
    default:
        admin_refuse(importing->request, MHD_HTTP_INTERNAL_SERVER_ERROR, "memory", "out of memory");
        return false;
    }
    if (importing->exchange.faults.found == 0)
        return true;
    refuse_with_faults(importing, MHD_HTTP_BAD_REQUEST, "invalid");
    return false;
}

static json_t *show_row(const struct plan_row *row)
{
    return json_pack("{s:s, s:s, s:o, s:o, s:o}", "action", row->action, "object", row->object,
                     "name", safe_text(row->name), "from", safe_text(row->from), "to",
                     safe_text(row->to));
}

static json_t *show_counts(const struct plan *plan)
{
    const struct edit_imported *imported = &plan->imported;

    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "projects_added",
        (json_int_t)imported->projects_added, "groups_added", (json_int_t)imported->groups_added,
        "channels_added", (json_int_t)imported->channels_added, "channels_changed",
        (json_int_t)imported->channels_changed, "devices_added",
        (json_int_t)imported->devices_added, "devices_moved", (json_int_t)imported->devices_moved,
        "devices_unchanged", (json_int_t)imported->devices_unchanged, "details_added",
        (json_int_t)plan->details_set, "details_changed", (json_int_t)plan->details_replaced,
        "passwords_left_out", (json_int_t)imported->secrets_left_out);
}

static void answer_import(struct importing *importing)
{
    const struct plan *plan = &importing->plan;
    json_t *rows = json_array();

    for (size_t i = 0; i < plan->row_count; i++)
        (void)json_array_append_new(rows, show_row(&plan->rows[i]));
    admin_answer(importing->request,
                 json_pack("{s:b, s:s, s:o, s:o, s:I}", "dry_run", importing->dry_run, "format",
                           exchange_format_name(importing->format), "counts", show_counts(plan),
                           "changes", rows, "changes_found", (json_int_t)plan->row_found));
    if (!importing->dry_run)
        log_line(LOG_INFO, &module, "a file was imported",
                 "format=%s devices_added=%u devices_moved=%u by=%s",
                 exchange_format_name(importing->format), plan->imported.devices_added,
                 plan->imported.devices_moved, importing->request->actor.name);
}

static void refuse_batch(struct importing *importing)
{
    const struct edit_batch *batch = &importing->batch;
    bool conflict = batch->result == EDIT_EXISTS || batch->result == EDIT_CONFLICT ||
                    batch->result == EDIT_IN_USE || batch->result == EDIT_NOT_FOUND;

    if (batch->fault_count == 0) {
        admin_refuse(importing->request,
                     batch->result == EDIT_FULL ? MHD_HTTP_INSUFFICIENT_STORAGE
                                                : MHD_HTTP_SERVICE_UNAVAILABLE,
                     edit_result_name(batch->result), "%s", batch->text);
        return;
    }
    for (size_t i = 0; i < batch->fault_count; i++)
        plan_fault(&importing->plan, &batch->faults[i]);
    importing->exchange.faults.found = batch->faults_found;
    refuse_with_faults(importing, conflict ? MHD_HTTP_CONFLICT : MHD_HTTP_BAD_REQUEST,
                       edit_result_name(batch->result));
}

static void run_batch(struct importing *importing)
{
    struct edit_batch *batch = &importing->batch;
    size_t patience_s = BATCH_PATIENCE_S + importing->request->upload->size / BYTES_PER_S;

    batch->count = importing->plan.item_count;
    batch->dry_run = importing->dry_run;
    batch->actor = importing->request->actor;
    batch->next = plan_next;
    batch->context = &importing->plan;
    editor_do_batch(importing->request->server->editor, batch,
                    patience_s < BATCH_MOST_S ? (uint32_t)patience_s : BATCH_MOST_S);
    if (batch->result == EDIT_DONE)
        answer_import(importing);
    else
        refuse_batch(importing);
}

static struct details *details_for_plan(void *context)
{
    struct importing *importing = context;
    struct details *details = NULL;

    return open_details(importing->request, &details) ? details : NULL;
}

static void import_file(struct importing *importing)
{
    const struct admin_upload *upload = importing->request->upload;
    enum status status =
        importing->format == EXCHANGE_CSV
            ? csv_read(upload->text, upload->size, importing->project, &importing->exchange)
            : cehes_read(upload->text, upload->size, importing->project, &importing->exchange);

    if (!came_through(importing, status))
        return;
    importing->config.directory = importing->request->server->directory;
    importing->config.config = importing->request->server->config;
    importing->config.open_details = details_for_plan;
    importing->config.context = importing;
    status = plan_make(&importing->plan, &importing->config, &importing->exchange);
    if (came_through(importing, status))
        run_batch(importing);
}

static bool read_flag(struct admin_request *request, const char *name, bool *flag)
{
    const char *value = admin_query(request, name);

    *flag = value != NULL && strcmp(value, "true") == 0;
    if (value == NULL || *flag || strcmp(value, "false") == 0)
        return true;
    admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid", "%s is neither true nor false", name);
    return false;
}

static bool read_import(struct importing *importing)
{
    static const char *const known[] = {"format",  "project", "scope", "update",
                                        "dry_run", "file",    NULL};
    struct admin_request *request = importing->request;

    if (!admin_query_known(request, known) || !read_format(request, &importing->format) ||
        !read_flag(request, "dry_run", &importing->dry_run) ||
        !read_flag(request, "update", &importing->config.update))
        return false;
    importing->project = admin_query(request, "project");
    if (importing->project == NULL)
        importing->project = "";
    importing->config.scope = admin_query(request, "scope");
    importing->config.file_name = admin_query(request, "file");
    if (importing->config.file_name == NULL)
        importing->config.file_name = "";
    if (importing->format == EXCHANGE_CEHES && importing->project[0] == '\0') {
        admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid",
                     "project is missing: a ceHes file doesn't name one");
        return false;
    }
    return true;
}

void admin_import(struct admin_request *request)
{
    if (request->part_count != 1 || request->method != ADMIN_POST) {
        admin_refuse_method(request);
        return;
    }
    if (request->upload == NULL) {
        admin_refuse(request, MHD_HTTP_CONFLICT, "in_use",
                     "another import is under way, or there is no memory for one");
        return;
    }
    if (request->upload->too_large) {
        admin_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, "too_large",
                     "a file has at most %u bytes", ADMIN_UPLOAD_MAX);
        return;
    }
    struct importing *importing = calloc(1, sizeof(*importing));
    if (importing == NULL) {
        admin_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "memory", "out of memory");
        return;
    }
    importing->request = request;
    if (read_import(importing))
        import_file(importing);
    plan_free(&importing->plan);
    exchange_free(&importing->exchange);
    free(importing);
}

/* ---- export ---- */

struct exporting {
    struct export *export;
    struct details *details;
    struct scrubbed text;
    size_t taken; /* of it */
    bool more;
};

static ssize_t read_export(void *context, uint64_t position, char *out, size_t size)
{
    struct exporting *exporting = context;

    (void)position;
    while (exporting->taken == exporting->text.size && exporting->more) {
        exporting->text.size = 0;
        exporting->taken = 0;
        exporting->more = export_next(exporting->export, &exporting->text);
    }
    if (export_failed(exporting->export))
        return MHD_CONTENT_READER_END_WITH_ERROR; /* so that nobody takes it for the whole */
    size_t left = exporting->text.size - exporting->taken;
    if (left == 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    size = size < left ? size : left;
    memcpy(out, exporting->text.text + exporting->taken, size);
    exporting->taken += size;
    return (ssize_t)size;
}

static void end_export(void *context)
{
    struct exporting *exporting = context;

    export_close(exporting->export);
    details_close(exporting->details);
    scrubbed_free(&exporting->text);
    free(exporting);
}

static void stream(struct admin_request *request, struct exporting *exporting,
                   const struct export_config *config)
{
    if (export_open(config, &exporting->export) == STATUS_OK)
        request->response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, EXPORT_BLOCK,
                                                              read_export, exporting, end_export);
    if (request->response == NULL) {
        end_export(exporting);
        admin_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "memory", "out of memory");
        return;
    }
    (void)MHD_add_response_header(request->response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                  config->format == EXCHANGE_CSV ? "text/csv; charset=utf-8"
                                                                 : "application/json");
}

static bool read_export_query(struct admin_request *request, struct export_config *config)
{
    static const char *const known[] = {"format", "project", NULL};

    if (!admin_query_known(request, known) || !read_format(request, &config->format))
        return false;
    const char *project = admin_query(request, "project");
    config->of_project = project != NULL && project[0] != '\0';
    if (config->of_project && !admin_project_called(request, project, &config->project))
        return false;
    if (config->format == EXCHANGE_CEHES && !config->of_project) {
        admin_refuse(request, MHD_HTTP_BAD_REQUEST, "invalid",
                     "project is missing: a ceHes file is of one project");
        return false;
    }
    return true;
}

void admin_export(struct admin_request *request)
{
    const struct server *server = request->server;
    struct export_config config = {.directory = server->directory,
                                   .node = server->config->server.node};
    struct timespec now = {0};

    if (request->part_count != 1 || request->method != ADMIN_GET) {
        admin_refuse_method(request);
        return;
    }
    (void)clock_gettime(CLOCK_REALTIME, &now);
    config.utc_ms = (uint64_t)now.tv_sec * 1000;
    if (!read_export_query(request, &config))
        return;
    struct exporting *exporting = calloc(1, sizeof(*exporting));
    if (exporting == NULL) {
        admin_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "memory", "out of memory");
        return;
    }
    exporting->more = true;
    if (!open_details(request, &exporting->details)) {
        free(exporting);
        return;
    }
    config.details = exporting->details;
    stream(request, exporting, &config);
}
