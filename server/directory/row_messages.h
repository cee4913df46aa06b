/* Inside the store: rows that hold an object as a packed message, and walks over them. Functions
 * return what SQLite does. */
#ifndef CENCD_DIRECTORY_ROW_MESSAGES_H
#define CENCD_DIRECTORY_ROW_MESSAGES_H

#include <sqlite3.h>

#include "server/directory/accounts_message.h"

/* Memory of one message each way. */
struct row_messages {
    struct proto_arena arena;
    uint8_t packed[PROTO_PACKED_MAX];
};

int row_messages_init(struct row_messages *messages);
void row_messages_clear(struct row_messages *messages); /* and all that was in it */

/* The message must be one that can be packed. It is in `packed` until the next one is bound. */
int row_message_bind(struct row_messages *messages, sqlite3_stmt *statement, int place,
                     const ProtobufCMessage *message);

/* NULL: a damaged row. It lives until the next row. */
ProtobufCMessage *row_message_read(struct row_messages *messages, sqlite3_stmt *row, int column,
                                   const ProtobufCMessageDescriptor *descriptor);

/* Runs a statement with id, revision, name and the message as ?1 to ?4. */
int row_message_put(struct row_messages *messages, sqlite3_stmt *put, uint32_t id,
                    uint64_t revision, const char *name, const ProtobufCMessage *message);

/* A statement that selects rows, and what makes records of one of them. */
struct row_walk {
    size_t statement;
    enum status (*visit)(struct row_messages *messages, sqlite3_stmt *row,
                         const struct account_visitor *visitor);
};

/* One after another, until one fails, or a visit: *status is what that said, STATUS_OK otherwise.
 */
int row_messages_walk(struct row_messages *messages, sqlite3_stmt *const *statements,
                      const struct row_walk *walks, size_t count,
                      const struct account_visitor *visitor, enum status *status);

#endif
