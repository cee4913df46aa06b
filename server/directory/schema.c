/* The tables of the store, version by version. Texts are written as in events. */
#include "server/directory/account_rows.h"

const char device_rows_schema[] = "CREATE TABLE device ("
                                  " id INTEGER PRIMARY KEY," /* in order of first registration */
                                  " scope TEXT NOT NULL,"
                                  " serial TEXT NOT NULL,"
                                  " kind TEXT NOT NULL,"
                                  " model TEXT NOT NULL,"
                                  " firmware TEXT NOT NULL,"
                                  " hardware TEXT NOT NULL,"
                                  " project TEXT NOT NULL,"
                                  " listener TEXT NOT NULL,"
                                  " note TEXT NOT NULL,"
                                  " first_seen_unix_ms INTEGER NOT NULL,"
                                  " last_seen_unix_ms INTEGER NOT NULL,"
                                  " link_epoch INTEGER NOT NULL,"
                                  " direct_port INTEGER NOT NULL," /* 0: none */
                                  " signal_csq INTEGER,"           /* NULL: not known */
                                  " last_gasp_unix_ms INTEGER,"    /* NULL: none that counts */
                                  " last_gasp_sequence INTEGER,"
                                  " removed INTEGER NOT NULL,"
                                  " UNIQUE (scope, serial)) STRICT;"
                                  "CREATE TABLE position (" /* one row */
                                  " id INTEGER PRIMARY KEY CHECK (id = 1),"
                                  " sequence INTEGER NOT NULL) STRICT;"
                                  "INSERT INTO position VALUES (1, 0);";

const char account_rows_schema[] =
    "ALTER TABLE device DROP COLUMN project;"
    "ALTER TABLE device ADD COLUMN project_id INTEGER NOT NULL DEFAULT 0;" /* 0: none */
    "ALTER TABLE device ADD COLUMN group_id INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE project ("
    " id INTEGER PRIMARY KEY,"
    " revision INTEGER NOT NULL,"
    " name TEXT NOT NULL,"
    " item BLOB NOT NULL) STRICT;" /* cenc.v1.Project */
    "CREATE TABLE device_group ("
    " id INTEGER PRIMARY KEY,"
    " revision INTEGER NOT NULL,"
    " name TEXT NOT NULL,"
    " item BLOB NOT NULL) STRICT;" /* cenc.v1.Group */
    "CREATE TABLE agent ("
    " id INTEGER PRIMARY KEY,"
    " revision INTEGER NOT NULL,"
    " name TEXT NOT NULL,"
    " item BLOB NOT NULL,"  /* cenc.v1.Agent */
    " secret BLOB) STRICT;" /* cenc.private.v1.AgentSecret */
    "CREATE TABLE binding ("
    " listener TEXT PRIMARY KEY,"
    " revision INTEGER NOT NULL,"
    " item BLOB NOT NULL," /* cenc.v1.BindingChanged */
    " swept INTEGER NOT NULL) STRICT;"
    "CREATE TABLE coming_secret (" /* of an agent's record that follows */
    " id INTEGER PRIMARY KEY CHECK (id = 1),"
    " agent INTEGER NOT NULL,"
    " revision INTEGER NOT NULL,"
    " secret BLOB NOT NULL) STRICT;"
    "CREATE TABLE last_id (" /* that was given; one row */
    " id INTEGER PRIMARY KEY CHECK (id = 1),"
    " project INTEGER NOT NULL,"
    " device_group INTEGER NOT NULL,"
    " agent INTEGER NOT NULL) STRICT;"
    "INSERT INTO last_id VALUES (1, 0, 0, 0);";

const char channel_rows_schema[] =
    "ALTER TABLE device ADD COLUMN channel_id INTEGER NOT NULL DEFAULT 0;" /* 0: none */
    "CREATE TABLE channel ("
    " id INTEGER PRIMARY KEY,"
    " revision INTEGER NOT NULL,"
    " name TEXT NOT NULL,"
    " item BLOB NOT NULL) STRICT;" /* cenc.v1.Channel */
    "ALTER TABLE last_id ADD COLUMN channel INTEGER NOT NULL DEFAULT 0;";

const char halt_rows_schema[] = "CREATE TABLE halt ("
                                " listener TEXT PRIMARY KEY,"
                                " revision INTEGER NOT NULL,"
                                " stopped INTEGER NOT NULL) STRICT;";

const char approval_schema[] =
    "ALTER TABLE device ADD COLUMN unapproved INTEGER NOT NULL DEFAULT 0;";
