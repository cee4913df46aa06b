#include "server/directory/row_messages.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "server/base/check.h"
#include "server/directory/statements.h"

int row_messages_init(struct row_messages *messages)
{
    messages->arena.size = PROTO_ARENA_SIZE;
    messages->arena.memory = malloc(PROTO_ARENA_SIZE);
    return messages->arena.memory != NULL ? SQLITE_OK : SQLITE_NOMEM;
}

void row_messages_clear(struct row_messages *messages)
{
    free(messages->arena.memory);
    OPENSSL_cleanse(messages, sizeof(*messages));
}

int row_message_bind(struct row_messages *messages, sqlite3_stmt *statement, int place,
                     const ProtobufCMessage *message)
{
    size_t size = 0;

    CHECK(proto_pack(message, messages->packed, sizeof(messages->packed), &size) == CODEC_OK);
    return sqlite3_bind_blob(statement, place, messages->packed, (int)size, SQLITE_STATIC);
}

ProtobufCMessage *row_message_read(struct row_messages *messages, sqlite3_stmt *row, int column,
                                   const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCMessage *message = NULL;
    const void *data = sqlite3_column_blob(row, column);

    if (data == NULL || proto_unpack(descriptor, data, (size_t)sqlite3_column_bytes(row, column),
                                     &messages->arena, &message) != CODEC_OK)
        return NULL;
    return message;
}

int row_message_put(struct row_messages *messages, sqlite3_stmt *put, uint32_t id,
                    uint64_t revision, const char *name, const ProtobufCMessage *message)
{
    int result = sqlite3_bind_int64(put, 1, id);

    result |= sqlite3_bind_int64(put, 2, (sqlite3_int64)revision);
    result |= sqlite3_bind_text(put, 3, name, -1, SQLITE_STATIC);
    result |= row_message_bind(messages, put, 4, message);
    return result == SQLITE_OK ? statement_run(put) : result;
}

static enum status visit(struct row_messages *messages, sqlite3_stmt *row,
                         const struct row_walk *walk, const struct account_visitor *visitor)
{
    enum status status = walk->visit(messages, row, visitor);

    OPENSSL_cleanse(messages->arena.memory, messages->arena.used); /* secrets too */
    messages->arena.used = 0;
    messages->arena.full = false;
    return status;
}

int row_messages_walk(struct row_messages *messages, sqlite3_stmt *const *statements,
                      const struct row_walk *walks, size_t count,
                      const struct account_visitor *visitor, enum status *status)
{
    int result = SQLITE_DONE;

    *status = STATUS_OK;
    for (size_t i = 0; result == SQLITE_DONE && *status == STATUS_OK && i < count; i++) {
        sqlite3_stmt *row = statements[walks[i].statement];
        while (*status == STATUS_OK && (result = sqlite3_step(row)) == SQLITE_ROW)
            *status = visit(messages, row, &walks[i], visitor);
        (void)sqlite3_reset(row);
    }
    return result == SQLITE_DONE || *status != STATUS_OK ? SQLITE_OK : result;
}
