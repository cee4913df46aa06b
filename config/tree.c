#include "config/tree.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "server/base/check.h"

struct builder {
    struct tree *tree;
    struct config_errors *errors;
    const char *text;
    size_t size;
    size_t depth;
    struct tree_node *open[TREE_MAX_DEPTH];    /* lists and maps that haven't ended */
    struct tree_node *pending[TREE_MAX_DEPTH]; /* a map's key whose value comes next */
    unsigned documents;
    bool ended;
};

static struct config_mark to_mark(const yaml_mark_t *mark)
{
    return (struct config_mark){.line = (unsigned)mark->line + 1,
                                .column = (unsigned)mark->column + 1};
}

/* ---- nodes ---- */

static struct tree_node *new_node(struct builder *builder, enum tree_kind kind, const char *text,
                                  size_t size, const yaml_mark_t *mark)
{
    if (builder->tree->count == TREE_MAX_NODES) {
        config_errors_add(builder->errors, to_mark(mark),
                          "too many values; expected at most %u in a file", TREE_MAX_NODES);
        return NULL;
    }
    struct tree_node *node = calloc(1, sizeof(*node) + size + 1);
    if (node == NULL) {
        builder->errors->no_memory = true;
        return NULL;
    }
    node->kind = kind;
    node->mark = to_mark(mark);
    memcpy(node->text, text, size);
    node->older = builder->tree->newest;
    builder->tree->newest = node;
    builder->tree->count++;
    return node;
}

static void append_child(struct tree_node *parent, struct tree_node *child)
{
    if (parent->last == NULL)
        parent->first = child;
    else
        parent->last->next = child;
    parent->last = child;
    parent->count++;
}

/* A value that is given twice stays out of the tree. */
static bool attach_value(struct builder *builder, struct tree_node *map, struct tree_node *node)
{
    const struct tree_node *earlier = tree_find(map, node->key->text);
    char quoted[CONFIG_QUOTE_SIZE];

    if (earlier != NULL) {
        config_errors_add(builder->errors, node->key->mark,
                          "%s is given twice, first in line %u; expected once",
                          config_quote(node->key->text, quoted), earlier->key->mark.line);
        return true;
    }
    if (map->count == TREE_MAX_KEYS) {
        config_errors_add(builder->errors, node->key->mark,
                          "too many keys; expected at most %u in a section", TREE_MAX_KEYS);
        return false;
    }
    append_child(map, node);
    return true;
}

static bool take_key(struct builder *builder, struct tree_node *node)
{
    if (node->kind != TREE_TEXT) {
        config_errors_add(builder->errors, node->mark,
                          "a key that is %s; expected a plain word and a colon",
                          tree_kind_text(node));
        return false;
    }
    if (node->plain && strcmp(node->text, "<<") == 0) {
        config_errors_add(builder->errors, node->mark,
                          "merge keys are not taken here; expected every key written out");
        return false;
    }
    builder->pending[builder->depth - 1] = node;
    return true;
}

/* Puts a node where it belongs. False: reading can't go on. */
static bool attach(struct builder *builder, struct tree_node *node)
{
    if (builder->depth == 0) {
        builder->tree->root = node;
        return true;
    }
    struct tree_node *parent = builder->open[builder->depth - 1];
    if (parent->kind == TREE_LIST) {
        append_child(parent, node);
        return true;
    }
    struct tree_node *key = builder->pending[builder->depth - 1];
    if (key == NULL)
        return take_key(builder, node);
    builder->pending[builder->depth - 1] = NULL;
    node->key = key;
    return attach_value(builder, parent, node);
}

static bool open_node(struct builder *builder, struct tree_node *node)
{
    if (builder->depth == TREE_MAX_DEPTH) {
        config_errors_add(builder->errors, node->mark,
                          "nested too deeply; expected at most %u levels", TREE_MAX_DEPTH);
        return false;
    }
    builder->open[builder->depth] = node;
    builder->pending[builder->depth] = NULL;
    builder->depth++;
    return true;
}

/* ---- libyaml's events ---- */

static void reject_extras(struct builder *builder, const yaml_event_t *event, const void *anchor,
                          bool tagged)
{
    if (anchor != NULL)
        config_errors_add(builder->errors, to_mark(&event->start_mark),
                          "anchors are not taken here; expected every value written out");
    if (tagged)
        config_errors_add(builder->errors, to_mark(&event->start_mark),
                          "tags are not taken here; expected a value without !");
}

static bool on_text(struct builder *builder, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t size = event->data.scalar.length;
    enum tree_kind kind = TREE_TEXT;
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

    reject_extras(builder, event, event->data.scalar.anchor,
                  event->data.scalar.tag != NULL || (plain && !event->data.scalar.plain_implicit));
    if (memchr(text, '\0', size) != NULL) {
        config_errors_add(builder->errors, to_mark(&event->start_mark),
                          "a text with a NUL byte; expected printable text");
        kind = TREE_BROKEN;
    }
    struct tree_node *node = new_node(builder, kind, text, size, &event->start_mark);
    if (node == NULL)
        return false;
    node->plain = plain;
    return attach(builder, node);
}

static bool on_start(struct builder *builder, const yaml_event_t *event, enum tree_kind kind)
{
    bool is_list = kind == TREE_LIST;
    const void *anchor =
        is_list ? event->data.sequence_start.anchor : event->data.mapping_start.anchor;
    const void *tag = is_list ? event->data.sequence_start.tag : event->data.mapping_start.tag;
    struct tree_node *node = new_node(builder, kind, "", 0, &event->start_mark);

    reject_extras(builder, event, anchor, tag != NULL);
    return node != NULL && attach(builder, node) && open_node(builder, node);
}

static bool on_alias(struct builder *builder, const yaml_event_t *event)
{
    struct tree_node *node = new_node(builder, TREE_BROKEN, "", 0, &event->start_mark);

    config_errors_add(builder->errors, to_mark(&event->start_mark),
                      "aliases are not taken here; expected the value written out");
    return node != NULL && attach(builder, node);
}

static bool on_document(struct builder *builder, const yaml_event_t *event)
{
    if (++builder->documents == 1)
        return true;
    config_errors_add(builder->errors, to_mark(&event->start_mark),
                      "a second document; expected one configuration in a file");
    return false;
}

static bool on_event(struct builder *builder, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return on_text(builder, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_start(builder, event, TREE_LIST);
    case YAML_MAPPING_START_EVENT:
        return on_start(builder, event, TREE_MAP);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        CHECK(builder->depth > 0);
        builder->depth--;
        return true;
    case YAML_ALIAS_EVENT:
        return on_alias(builder, event);
    case YAML_DOCUMENT_START_EVENT:
        return on_document(builder, event);
    case YAML_STREAM_END_EVENT:
        builder->ended = true;
        return true;
    default:
        return true;
    }
}

/* The place of a byte that libyaml's reader didn't take: it knows only the offset. */
static struct config_mark offset_mark(const struct builder *builder, size_t offset)
{
    struct config_mark mark = {.line = 1, .column = 1};

    for (size_t i = 0; i < offset && i < builder->size; i++) {
        bool continues = ((unsigned char)builder->text[i] & 0xc0) == 0x80;

        if (builder->text[i] == '\n')
            mark = (struct config_mark){.line = mark.line + 1, .column = 1};
        else if (!continues)
            mark.column++;
    }
    return mark;
}

static void report_parser(struct builder *builder, const yaml_parser_t *parser)
{
    const char *problem = parser->problem != NULL ? parser->problem : "unreadable";

    if (parser->error == YAML_MEMORY_ERROR)
        builder->errors->no_memory = true;
    else if (parser->error == YAML_READER_ERROR)
        config_errors_add(builder->errors, offset_mark(builder, parser->problem_offset),
                          "not YAML: %s; expected UTF-8 text", problem);
    else
        config_errors_add(builder->errors, to_mark(&parser->problem_mark),
                          "not YAML: %s%s%s; expected \"key: value\" lines, indented by spaces",
                          parser->context != NULL ? parser->context : "",
                          parser->context != NULL ? ", " : "", problem);
}

static bool build(struct builder *builder, yaml_parser_t *parser)
{
    while (!builder->ended) {
        yaml_event_t event;

        if (yaml_parser_parse(parser, &event) == 0) {
            report_parser(builder, parser);
            return false;
        }
        bool going = on_event(builder, &event);
        yaml_event_delete(&event);
        if (!going)
            return false;
    }
    return true;
}

enum status tree_read(struct tree *tree, const char *text, size_t size,
                      struct config_errors *errors)
{
    struct builder builder = {.tree = tree, .errors = errors, .text = text, .size = size};
    yaml_parser_t parser;

    *tree = (struct tree){0};
    if (size > TREE_MAX_BYTES) {
        config_errors_add(errors, (struct config_mark){0}, "too long; expected at most %u bytes",
                          TREE_MAX_BYTES);
        return STATUS_INVALID;
    }
    if (yaml_parser_initialize(&parser) == 0) {
        errors->no_memory = true;
        return STATUS_NO_MEMORY;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    bool whole = build(&builder, &parser);
    yaml_parser_delete(&parser);
    if (whole)
        return STATUS_OK;
    tree_free(tree);
    return errors->no_memory ? STATUS_NO_MEMORY : STATUS_INVALID;
}

void tree_free(struct tree *tree)
{
    while (tree->newest != NULL) {
        struct tree_node *node = tree->newest;
        tree->newest = node->older;
        free(node);
    }
    *tree = (struct tree){0};
}

struct tree_node *tree_find(const struct tree_node *map, const char *key)
{
    if (map == NULL || map->kind != TREE_MAP)
        return NULL;
    for (struct tree_node *value = map->first; value != NULL; value = value->next) {
        if (strcmp(value->key->text, key) == 0)
            return value;
    }
    return NULL;
}

bool tree_is_nothing(const struct tree_node *node)
{
    return node->kind == TREE_TEXT && node->plain && node->text[0] == '\0';
}

const char *tree_kind_text(const struct tree_node *node)
{
    switch (node->kind) {
    case TREE_TEXT:
        return "a text";
    case TREE_LIST:
        return "a list";
    case TREE_MAP:
        return "a map";
    case TREE_BROKEN:
        break;
    }
    return "unusable";
}
