/* Inside the editor: an edit made into records. */
#ifndef CENCD_DIRECTORY_EDIT_INTERNAL_H
#define CENCD_DIRECTORY_EDIT_INTERNAL_H

#include "server/directory/accounts_message.h"
#include "server/directory/edit.h"
#include "server/directory/item_event.h"
#include "server/directory/places.h"

#define EDIT_PRIVATE_MAX (DETAILS_MAX + 1024u)

/* What is to be recorded for one edit, the private record first. */
struct edit_records {
    uint8_t public[JOURNAL_RECORD_MAX];
    size_t public_size; /* 0: none */
    uint8_t private[EDIT_PRIVATE_MAX];
    size_t private_size; /* 0: none */
    struct device *device;
    struct place place;
    uint32_t epoch;
    bool opened; /* a listener's port, to be started */
};

struct edit_scene {
    struct directory *directory;
    const struct edit_listeners *listeners;
    const char *node;
    uint64_t utc_ms;
};

/* Checks the edit against the directory and fills the records; EDIT_DONE: they may be appended.
 * Otherwise edit->text says why. */
enum edit_result edit_prepare(const struct edit_scene *scene, struct edit *edit,
                              struct edit_records *records);

/* The parts of it. */
enum edit_result edit_refuse(struct edit *edit, enum edit_result result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Checks the name and note that the edit gives, and copies what is good: to arrays of
 * DIRECTORY_NAME_SIZE and DIRECTORY_NOTE_SIZE bytes. */
enum edit_result edit_take_texts(struct edit *edit, struct accounts *accounts,
                                 const struct named_table *table, uint32_t within, char *name,
                                 char *note);
/* Is there room for one more, and an id? */
enum edit_result edit_check_room(struct edit *edit, const struct named_table *table,
                                 uint32_t last_id, size_t most);
/* An addition takes all fields. */
bool edit_takes(const struct edit *edit, uint32_t field);
/* The rest of `to` becomes zeros. */
void edit_copy(char *to, const char *from, size_t size);
enum edit_result edit_check_revision(struct edit *edit, uint64_t revision);
/* The event of an edit that adds, changes or removes an object: `add` and `added` are the first of
 * three kinds and bodies. former is what it was, when it is changed. */
void edit_make_event(const struct edit *edit, enum edit_kind add, Cenc__V1__Event__BodyCase added,
                     ProtobufCMessage *item, ProtobufCMessage *former, struct item_event *made);
enum edit_result edit_pack(const struct edit_scene *scene, struct edit *edit,
                           Cenc__V1__Event *event, struct edit_records *records);
/* The same into other memory; edit may be NULL: nobody asked for it. */
enum codec_result edit_pack_event(const struct edit_scene *scene, const struct edit *edit,
                                  Cenc__V1__Event *event, uint8_t *out, size_t capacity,
                                  size_t *size);

enum edit_result edit_prepare_project(const struct edit_scene *scene, struct edit *edit,
                                      struct edit_records *records);
enum edit_result edit_prepare_group(const struct edit_scene *scene, struct edit *edit,
                                    struct edit_records *records);
enum edit_result edit_prepare_agent(const struct edit_scene *scene, struct edit *edit,
                                    struct edit_records *records);
enum edit_result edit_prepare_binding(const struct edit_scene *scene, struct edit *edit,
                                      struct edit_records *records);
enum edit_result edit_prepare_channel(const struct edit_scene *scene, struct edit *edit,
                                      struct edit_records *records);
enum edit_result edit_prepare_token(const struct edit_scene *scene, struct edit *edit,
                                    struct edit_records *records);
enum edit_result edit_prepare_device(const struct edit_scene *scene, struct edit *edit,
                                     struct edit_records *records);

/* A private record only. */
enum edit_result edit_prepare_details(const struct edit_scene *scene, struct edit *edit,
                                      struct edit_records *records);
enum edit_result edit_prepare_imported(const struct edit_scene *scene, struct edit *edit,
                                       struct edit_records *records);
enum edit_result edit_prepare_listener(const struct edit_scene *scene, struct edit *edit,
                                       struct edit_records *records);

/* The record of a move; edit may be NULL: nobody asked for it. Returns its size. */
size_t edit_pack_move(const struct edit_scene *scene, const struct edit *edit,
                      const struct device *device, const struct place *place, uint8_t *out,
                      size_t capacity);

#endif
