/* What a file brings: projects, groups, channels and devices, whatever its format, and where in it
 * each was said, so that a fault that is found later can still name the place.
 *
 * Texts and details are in the arena. Details are JSON without passwords: what the format says of
 * an object beyond what the server has a use for, kept to be written out again. */
#ifndef CENCD_EXCHANGE_MODEL_H
#define CENCD_EXCHANGE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/status.h"
#include "server/directory/details.h"
#include "server/exchange/arena.h"
#include "server/exchange/faults.h"
#include "server/exchange/names_index.h"

#define EXCHANGE_NONE        UINT32_MAX
#define EXCHANGE_MAX_ITEMS   900000u /* of all sorts: they and their details fit a batch */
#define EXCHANGE_DETAILS_MAX DETAILS_MAX
#define EXCHANGE_ELEMENT_MAX (1u << 20) /* bytes, of one object in a file */
#define EXCHANGE_ID_MAX      95u        /* bytes, of what is kept by it */
#define EXCHANGE_FIELD_MAX   1024u

enum exchange_format { EXCHANGE_CEHES, EXCHANGE_CSV };
const char *exchange_format_name(enum exchange_format format); /* "cehes", "csv" */

/* Where an object is. */
struct exchange_place {
    size_t at;      /* its first byte */
    uint32_t outer; /* its number in its list, from 0; of CSV: the line */
    uint32_t inner; /* of a device: in its group */
};

struct exchange_project {
    const char *name;
    struct exchange_place place;
};

/* The devices of a ceHes file that are in no group have one, too, without a name. */
struct exchange_group {
    const char *name; /* NULL: it stands for no group */
    uint32_t project;
    const char *details; /* NULL: none, as of the following */
    struct exchange_place place;
};

struct exchange_channel {
    const char *name;
    const char *host;
    uint32_t project; /* EXCHANGE_NONE: of none */
    uint16_t port;
    bool exclusive;
    bool is_named;      /* otherwise the name is made of host and port */
    bool has_exclusive; /* the file says something of it */
    const char *details;
    struct exchange_place place;
};

struct exchange_device {
    const char *scope;  /* NULL: not said */
    const char *serial; /* as in events: \xHH is a byte */
    uint32_t project;   /* in the lists, or EXCHANGE_NONE */
    uint32_t group;
    uint32_t channel;
    bool has_place;   /* the file says something of the project */
    bool has_group;   /* of the group; otherwise it stays, if the project does */
    bool has_channel; /* of the channel */
    const char *details;
    struct exchange_place place;
};

/* What belongs to the project and to no object of the server: a protocol, a channel that isn't
 * TCP, the head of the file. */
enum exchange_piece_kind { EXCHANGE_PIECE_TOP, EXCHANGE_PIECE_PROTOCOL, EXCHANGE_PIECE_CHANNEL };

struct exchange_piece {
    enum exchange_piece_kind kind;
    const char *key;
    const char *details;
    struct exchange_place place;
};

struct exchange {
    enum exchange_format format;
    const char *text; /* the file, the caller's: it must live as long as faults are added */
    size_t size;
    struct arena arena;
    struct exchange_project *projects;
    size_t project_count, project_room;
    struct exchange_group *groups;
    size_t group_count, group_room;
    struct exchange_channel *channels;
    size_t channel_count, channel_room;
    struct exchange_device *devices;
    size_t device_count, device_room;
    struct exchange_piece *pieces;
    size_t piece_count, piece_room;
    struct names_index project_names;
    struct names_index group_names;   /* within their project */
    struct names_index channel_names; /* of ceHes */
    struct names_index serials;
    size_t secrets; /* passwords that were left out */
    struct exchange_faults faults;
};

void exchange_free(struct exchange *exchange);

/* All there is of objects. */
size_t exchange_items(const struct exchange *exchange);

/* The next entry of a list, zeroed, or NULL: no memory, or too many. */
struct exchange_project *exchange_add_project(struct exchange *exchange);
struct exchange_group *exchange_add_group(struct exchange *exchange);
struct exchange_channel *exchange_add_channel(struct exchange *exchange);
struct exchange_device *exchange_add_device(struct exchange *exchange);
struct exchange_piece *exchange_add_piece(struct exchange *exchange);

/* The project, group of this name, made if there is none yet. False: no memory, or too many. */
bool exchange_project_called(struct exchange *exchange, const char *name, size_t size,
                             const struct exchange_place *place, uint32_t *number) MUST_CHECK;
bool exchange_group_called(struct exchange *exchange, uint32_t project, const char *name,
                           size_t size, const struct exchange_place *place,
                           uint32_t *number) MUST_CHECK;

/* Says where the fault is. list: "Channels"; NULL: of the file as a whole. */
void exchange_locate(const struct exchange *exchange, struct exchange_fault *fault,
                     const char *list, const struct exchange_place *place, bool is_device);

/* What is wrong with a serial that somebody entered, as a sentence; NULL: nothing. */
const char *exchange_serial_fault(const char *serial);

/* The serial is one that a device may have, and new in the file. False: text says what is wrong;
 * "": no memory. */
bool exchange_check_serial(struct exchange *exchange, const struct exchange_device *device,
                           char text[static EXCHANGE_FAULT_TEXT]);

#endif
