/* Events about objects: each body says its item, and a change also what it was before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/proto/json.h"
#include "server/directory/item_event.h"

#define BODY(object) CENC__V1__EVENT__BODY_##object

/* An object of each sort, and what it was before. */
static struct {
    Cenc__V1__Project project[2];
    Cenc__V1__Group group[2];
    Cenc__V1__Agent agent[2];
    Cenc__V1__Channel channel[2];
    Cenc__V1__Token token[2];
} objects;

static const struct {
    const char *word;
    Cenc__V1__Event__BodyCase added;
    ProtobufCMessage *item;
    ProtobufCMessage *former;
} sorts[] = {
    {"project", BODY(PROJECT_ADDED), &objects.project[0].base, &objects.project[1].base},
    {"group", BODY(GROUP_ADDED), &objects.group[0].base, &objects.group[1].base},
    {"agent", BODY(AGENT_ADDED), &objects.agent[0].base, &objects.agent[1].base},
    {"channel", BODY(CHANNEL_ADDED), &objects.channel[0].base, &objects.channel[1].base},
    {"token", BODY(TOKEN_ADDED), &objects.token[0].base, &objects.token[1].base},
};

static void name_objects(const char *item, const char *former)
{
    const char *const names[] = {item, former};

    for (size_t i = 0; i < 2; i++) {
        cenc__v1__project__init(&objects.project[i]);
        cenc__v1__group__init(&objects.group[i]);
        cenc__v1__agent__init(&objects.agent[i]);
        cenc__v1__channel__init(&objects.channel[i]);
        cenc__v1__token__init(&objects.token[i]);
        objects.project[i].name = objects.group[i].name = objects.agent[i].name =
            objects.channel[i].name = objects.token[i].name = proto_string(names[i]);
    }
}

static void says(const Cenc__V1__Event *event, const char *expected)
{
    char text[512];
    size_t size = 0;

    assert_int_equal(proto_json(&event->base, PROTO_JSON_ALL, text, sizeof(text), &size), CODEC_OK);
    assert_string_equal(text, expected);
}

static enum status visit(const Cenc__V1__Event *event, void *context)
{
    says(event, context);
    return STATUS_REFUSED;
}

static void every_body_says_its_item(void **state)
{
    static const char *const steps[] = {"added", "changed", "removed"};
    char expected[128];

    (void)state;
    name_objects("this", "");
    for (size_t i = 0; i < sizeof(sorts) / sizeof(sorts[0]); i++) {
        for (unsigned step = 0; step < 3; step++) {
            Cenc__V1__Event__BodyCase body = (Cenc__V1__Event__BodyCase)(sorts[i].added + step);
            struct account_visitor visitor = {.event = visit, .context = expected};
            (void)snprintf(expected, sizeof(expected), "{\"%s_%s\":{\"item\":{\"name\":\"this\"}}}",
                           sorts[i].word, steps[step]);
            assert_int_equal(item_event_visit(&visitor, body, sorts[i].item), STATUS_REFUSED);
        }
    }
}

static void a_change_says_what_was(void **state)
{
    struct item_event made;
    char expected[256];

    (void)state;
    for (size_t i = 0; i < sizeof(sorts) / sizeof(sorts[0]); i++) {
        Cenc__V1__Event__BodyCase body = (Cenc__V1__Event__BodyCase)(sorts[i].added + 1);
        name_objects("this", "that");
        item_event_make(&made, body, sorts[i].item);
        item_event_former(&made, sorts[i].former);
        (void)snprintf(expected, sizeof(expected),
                       "{\"%s_changed\":{\"item\":{\"name\":\"this\"},\"former_name\":\"that\","
                       "\"former\":{\"name\":\"that\"}}}",
                       sorts[i].word);
        says(&made.event, expected);
        name_objects("this", "this");
        item_event_make(&made, body, sorts[i].item);
        item_event_former(&made, sorts[i].former);
        (void)snprintf(expected, sizeof(expected),
                       "{\"%s_changed\":{\"item\":{\"name\":\"this\"},\"former\":{\"name\":"
                       "\"this\"}}}",
                       sorts[i].word);
        says(&made.event, expected);
    }
}

/* A damaged row: whoever is shown it sees that there is none. */
static void an_event_without_item(void **state)
{
    struct item_event made;

    (void)state;
    item_event_make(&made, BODY(GROUP_ADDED), NULL);
    assert_int_equal(made.event.body_case, BODY(GROUP_ADDED));
    assert_null(made.event.group_added->item);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_body_says_its_item),
        cmocka_unit_test(a_change_says_what_was),
        cmocka_unit_test(an_event_without_item),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
