/* Inside the plan of an import: what its files share. */
#ifndef CENCD_EXCHANGE_PLAN_INTERNAL_H
#define CENCD_EXCHANGE_PLAN_INTERNAL_H

#include "server/exchange/plan.h"

/* An edit, by what it is of. */
struct plan_item {
    enum edit_kind kind;
    enum details_kind details_kind; /* of EDIT_DETAILS_SET */
    uint32_t number;                /* in the model's list */
};

/* Where an object of the file is in the directory. */
struct plan_known {
    uint32_t id; /* or a reference to the item that adds it; 0: none */
    bool is_new;
    uint64_t revision; /* of a channel that is changed */
};

struct plan_device {
    struct device *device; /* NULL: it isn't there */
    const char *scope;
    uint32_t project; /* where it is to be */
    uint32_t group;
    uint32_t channel;
    uint64_t revision; /* that was seen */
};

struct plan_details {
    struct details_key key;
    const char *json; /* NULL: the file says nothing */
    bool is_new;      /* whose they are */
    bool is_device;
    uint32_t number;
    const char *name;
    const char *list;
    const struct exchange_place *place;
};

/* NULL: no memory. */
struct plan_item *plan_add_item(struct plan *plan, enum edit_kind kind, uint32_t number);
/* One to be filled further. */
struct plan_row *plan_add_row(struct plan *plan, const char *action, const char *object,
                              const char *name);
bool plan_name_fits(struct plan *plan, const char *name, const char *list,
                    const struct exchange_place *place);
enum details_kind plan_piece_kind(enum exchange_piece_kind kind);

enum status plan_channel(struct plan *plan, uint32_t number);
enum status plan_device(struct plan *plan, uint32_t number);

#endif
