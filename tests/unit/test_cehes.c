/* The ceHes file: what comes of it, and what is refused, with the place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/exchange/cehes.h"
#include "server/exchange/slice.h"

static enum status read_text(const char *text, struct exchange *exchange)
{
    memset(exchange, 0, sizeof(*exchange));
    return cehes_read(text, strlen(text), "north", exchange);
}

/* Text of at most `size` bytes with its NUL. */
static void append(char *text, size_t size, const char *piece)
{
    size_t used = strlen(text);

    assert_true(strlen(piece) < size - used);
    (void)snprintf(text + used, size - used, "%s", piece);
}

static char *load(const char *name)
{
    char path[512];
    char *text = calloc(1, 65536);

    (void)snprintf(path, sizeof(path), "%s/tests/exchange/%s", getenv("CENCD_SOURCE"), name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(text);
    assert_true(fread(text, 1, 65535, file) > 0);
    (void)fclose(file);
    return text;
}

static void the_file_is_understood(void **state)
{
    struct exchange exchange;
    char *text = load("meters.json");

    (void)state;
    assert_int_equal(read_text(text, &exchange), STATUS_OK);
    free(text);
    assert_int_equal(exchange.faults.found, 0);
    assert_int_equal(exchange.project_count, 1);
    assert_int_equal(exchange.group_count, 2);
    assert_null(exchange.groups[0].name);
    assert_string_equal(exchange.groups[1].name, "Улица Садовая");
    assert_int_equal(exchange.channel_count, 2);
    assert_string_equal(exchange.channels[0].name, "Подстанция 12");
    assert_string_equal(exchange.channels[0].host, "10.20.30.40");
    assert_int_equal(exchange.channels[0].port, 10007);
    assert_false(exchange.channels[0].exclusive);
    assert_true(exchange.channels[1].exclusive);
    assert_int_equal(exchange.piece_count, 5); /* Meta, a channel, three protocols */
    assert_int_equal(exchange.device_count, 3);
    assert_string_equal(exchange.devices[2].serial, "000000000040003");
    assert_int_equal(exchange.devices[2].group, 1);
    assert_int_equal(exchange.devices[2].channel, 0);
    assert_int_equal(exchange.devices[0].channel, 1);
    assert_int_equal(exchange.secrets, 3);
    for (size_t i = 0; i < exchange.piece_count; i++) {
        assert_null(strstr(exchange.pieces[i].details, "5566778855667788"));
        assert_null(strstr(exchange.pieces[i].details, "9900113399001133"));
    }
    assert_non_null(strstr(exchange.pieces[1].details, "\"Weight\":1.10"));
    exchange_free(&exchange);
}

/* The only fault has this path, place and text. */
static void refused(const char *text, const char *path, uint32_t line, uint32_t column,
                    const char *what)
{
    struct exchange exchange;

    assert_int_equal(read_text(text, &exchange), STATUS_OK);
    assert_int_equal(exchange.faults.found, 1);
    assert_string_equal(exchange.faults.list[0].path, path);
    assert_string_equal(exchange.faults.list[0].text, what);
    assert_int_equal(exchange.faults.list[0].line, line);
    assert_int_equal(exchange.faults.list[0].column, column);
    exchange_free(&exchange);
}

#define DEVICE(fields)  "{\"Groups\":[\n{\"Id\":null,\"Name\":null,\"Devices\":[\n{" fields "}]}]}"
#define CHANNEL(fields) "{\"Channels\":[\n  {\"Id\":\"c\",\"Name\":\"n\"," fields "}]}"
#define TCP             "\"Type\":\"CHAN_TYPE_TCP\","

static void what_is_no_json_is_refused(void **state)
{
    (void)state;
    refused("", "", 1, 1, "an object { is expected here");
    refused("{\"Channels\":[]} x", "", 1, 17, "nothing is expected behind the end");
    refused("{\"Channels\":[],\n \"Channels\":[]}", "", 2, 2, "this name is there twice");
    refused("{\"Groups\":[{]}", "", 1, 15, "a comma or } is expected here");
    refused("{\"Groups\":[{", "", 1, 11,
            "a value is expected here, which ends, with at most 32 brackets inside of one another");
    refused(DEVICE("\"SerialNumber\":\"1\" \"Type\":1"), "Groups[0].Devices[0]", 3, 27,
            "'}' expected");
    refused(DEVICE("\"SerialNumber\":\"1\",\"A\":1,\"A\":1"), "Groups[0].Devices[0]", 3, 30,
            "duplicate object key");
    refused(DEVICE("\"SerialNumber\":\"1\",\"A\":123456789012345678901234567890"),
            "Groups[0].Devices[0]", 3, 55, "too big integer");
    refused("{\"Meta\":{\"SchemaVersion\":\"v2\"},\"Groups\":[]}", "Meta.SchemaVersion", 1, 9,
            "only v1 is understood");
    refused("{\"Meta\":{}}", "", 0, 0,
            "this is no ceHes file: neither Groups nor Channels are in it");
}

static void passwords_are_not_repeated(void **state)
{
    struct exchange exchange;

    (void)state;
    assert_int_equal(
        read_text("{\"Groups\":[],\"Protocols\":[{\"Id\":\"p\",\"PASSWORD\":\"77665544\" "
                  "\"77665544\"}]}",
                  &exchange),
        STATUS_OK);
    assert_int_equal(exchange.faults.found, 1);
    assert_null(strstr(exchange.faults.list[0].text, "77665544"));
    exchange_free(&exchange);
}

static void bad_utf_8_is_refused(void **state)
{
    struct exchange exchange;

    (void)state;
    assert_int_equal(read_text(DEVICE("\"SerialNumber\":\"1\",\"A\":\"\xc3(\""), &exchange),
                     STATUS_OK);
    assert_int_equal(exchange.faults.found, 1);
    assert_string_equal(exchange.faults.list[0].path, "Groups[0].Devices[0]");
    exchange_free(&exchange);
}

static void bad_channels_are_refused(void **state)
{
    (void)state;
    refused(CHANNEL("\"Settings\":\"{}\""), "Channels[0].Type", 2, 3, "this is missing");
    refused(CHANNEL(TCP "\"Settings\":\"{\""), "Channels[0].Settings", 2, 3,
            "this is no text that holds a JSON object");
    refused(CHANNEL("\"Type\":\"X\",\"Settings\":\"DLMS\""), "Channels[0].Settings", 2, 3,
            "this is no text that holds a JSON object");
    refused(CHANNEL(TCP "\"Settings\":\"{}\""), "Channels[0].Settings.CHAN_TYPE_TCP_OP_IP_ADDRESS",
            2, 3, "this is missing");
    refused(CHANNEL(TCP "\"Settings\":{\"CHAN_TYPE_TCP_OP_IP_ADDRESS\":\"a\","
                        "\"CHAN_TYPE_TCP_OP_IP_PORT\":\"65536\"}"),
            "Channels[0].Settings.CHAN_TYPE_TCP_OP_IP_PORT", 2, 3,
            "this is no number from 1 to 65535");
    refused(CHANNEL("\"Type\":\"X\"},{\"Id\":\"c\",\"Type\":\"X\""), "Channels[1].Id", 2, 36,
            "this Id is there twice");
    refused(CHANNEL("\"Type\":\"X\"},7,{\"Id\":\"d\",\"Type\":\"X\""), "Channels[1]", 2, 36,
            "this is no object");
}

static void bad_devices_are_refused(void **state)
{
    (void)state;
    refused(DEVICE("\"Type\":\"x\""), "Groups[0].Devices[0].SerialNumber", 3, 1, "this is missing");
    refused(DEVICE("\"SerialNumber\":17"), "Groups[0].Devices[0].SerialNumber", 3, 1,
            "this is no text");
    refused(DEVICE("\"SerialNumber\":\"12345678901234567890123456789012\""),
            "Groups[0].Devices[0].SerialNumber", 3, 1, "the serial has more than 31 bytes");
    refused(DEVICE("\"SerialNumber\":\"12\\u0007\""), "Groups[0].Devices[0].SerialNumber", 3, 1,
            "the serial has a space or a character that isn't ASCII");
    refused(DEVICE("\"SerialNumber\":\"А12\""), "Groups[0].Devices[0].SerialNumber", 3, 1,
            "the serial has a space or a character that isn't ASCII");
    refused(DEVICE("\"SerialNumber\":\"1\"},{\"SerialNumber\":\"1\""),
            "Groups[0].Devices[1].SerialNumber", 3, 22,
            "the serial 1 was at Groups[0].Devices[0] already");
    refused(DEVICE("\"SerialNumber\":\"1\",\"CommLines\":[{},{\"ChannelId\":\"x\"}]"),
            "Groups[0].Devices[0].CommLines[1].ChannelId", 3, 1,
            "there is no channel of this Id in the file");
}

static void bad_groups_are_refused(void **state)
{
    (void)state;
    refused("{\"Groups\":[{\"Id\":\"1\",\"Name\":null}]}", "Groups[0]", 1, 12,
            "Id and Name are both null (no group), or neither is");
    refused("{\"Groups\":[{\"Id\":\"1\",\"Name\":\"a\"},{\"Id\":\"2\",\"Name\":\"a\"}]}",
            "Groups[1].Name", 1, 34, "another group has this Name already");
    refused("{\"Groups\":[{\"Id\":\"1\",\"Name\":\"a\"},{\"Id\":\"1\",\"Name\":\"b\"}]}",
            "Groups[1].Id", 1, 34, "another group has this Id already");
    refused("{\"Groups\":[{\"Id\":null,\"Devices\":[],\"Devices\":[]}]}", "Groups[0].Devices", 1,
            12, "this is there twice");
    refused("{\"Groups\":{}}", "Groups", 1, 11, "an array [ is expected here");
}

/* It once was taken for the Id of no group, and then compared with a name that isn't there. */
static void an_empty_id_is_a_fault(void **state)
{
    (void)state;
    refused("{\"Groups\":[{\"Id\":\"\",\"Name\":\"a\"},{\"Id\":null,\"Name\":null}]}", "Groups[0]",
            1, 12, "Id and Name are both null (no group), or neither is");
}

/* Where a group was at fault, a later one with its Id was once looked for where there was none. */
static void groups_of_one_id_after_a_bad_one(void **state)
{
    struct exchange exchange;

    (void)state;
    assert_int_equal(read_text("{\"Groups\":[{\"Id\":\"1\",\"Name\":\"a\"},"
                               "{\"Id\":\"2\",\"Name\":\"a\"},{\"Id\":\"2\",\"Name\":\"b\"},"
                               "{\"Id\":\"2\",\"Name\":\"a\"}]}",
                               &exchange),
                     STATUS_OK);
    assert_int_equal(exchange.group_count, 2);
    assert_int_equal(exchange.faults.found, 2);
    assert_string_equal(exchange.faults.list[0].path, "Groups[1].Name");
    assert_string_equal(exchange.faults.list[1].path, "Groups[3].Id");
    exchange_free(&exchange);
}

static void an_empty_name_is_none(void **state)
{
    struct exchange exchange;

    (void)state;
    assert_int_equal(
        read_text("{\"Groups\":[{\"Id\":null,\"Name\":\"\",\"Devices\":[]}]}", &exchange),
        STATUS_OK);
    assert_int_equal(exchange.faults.found, 0);
    assert_int_equal(exchange.group_count, 1);
    assert_null(exchange.groups[0].name);
    exchange_free(&exchange);
}

/* Whatever order the sections have; a line that is off, or of no TCP, is no device's channel. */
static void the_channel_is_that_of_the_first_line_that_counts(void **state)
{
    struct exchange exchange;

    (void)state;
    assert_int_equal(
        read_text("{\"Groups\":[{\"Id\":null,\"Name\":null,\"Devices\":[{\"SerialNumber\":\"1\","
                  "\"CommLines\":[{\"ChannelId\":\"u\"},{\"ChannelId\":\"a\",\"Enabled\":false},"
                  "{\"ChannelId\":\"b\"},{\"ChannelId\":\"a\"}]}]}],\"Channels\":["
                  "{\"Id\":\"u\",\"Type\":\"UNB\"},"
                  "{\"Id\":\"a\",\"Name\":\"a\"," TCP
                  "\"Settings\":{\"CHAN_TYPE_TCP_OP_IP_ADDRESS\":\"a\","
                  "\"CHAN_TYPE_TCP_OP_IP_PORT\":1}},"
                  "{\"Id\":\"b\",\"Name\":\"b\"," TCP
                  "\"Settings\":{\"CHAN_TYPE_TCP_OP_IP_ADDRESS\":\"b\","
                  "\"CHAN_TYPE_TCP_OP_IP_PORT\":2}}]}",
                  &exchange),
        STATUS_OK);
    assert_int_equal(exchange.faults.found, 0);
    assert_int_equal(exchange.devices[0].channel, 1);
    exchange_free(&exchange);
}

static void a_hundred_faults_are_kept(void **state)
{
    size_t size = 100000;
    char *text = calloc(1, size);
    struct exchange exchange;

    (void)state;
    assert_non_null(text);
    append(text, size, "{\"Channels\":[1");
    for (size_t i = 1; i < 250; i++)
        append(text, size, ",1");
    append(text, size, "]}");
    assert_int_equal(read_text(text, &exchange), STATUS_OK);
    assert_int_equal(exchange.faults.found, 250);
    assert_int_equal(exchange.faults.count, EXCHANGE_FAULTS);
    exchange_free(&exchange);
    free(text);
}

/* It once was one bracket too deep when it was kept with its name, which ended the process. */
static void a_section_as_deep_as_may_be_is_kept(void **state)
{
    char text[128] = "{\"Groups\":[],\"x\":";
    struct exchange exchange;

    (void)state;
    memset(text + strlen(text), '[', SLICE_DEPTH_MAX);
    memset(text + strlen(text), ']', SLICE_DEPTH_MAX);
    append(text, sizeof(text), "}");
    assert_int_equal(read_text(text, &exchange), STATUS_OK);
    assert_int_equal(exchange.faults.found, 0);
    assert_int_equal(exchange.piece_count, 1);
    assert_memory_equal(exchange.pieces[0].details, "{\"x\":[[", 7);
    assert_int_equal(strlen(exchange.pieces[0].details), 2 * SLICE_DEPTH_MAX + 6);
    exchange_free(&exchange);
}

static void depth_and_size_are_bounded(void **state)
{
    size_t size = EXCHANGE_ELEMENT_MAX + 200;
    char *text = calloc(1, size);
    struct exchange exchange;

    (void)state;
    assert_non_null(text);
    append(text, size, "{\"Groups\":[],\"x\":");
    memset(text + strlen(text), '[', 40);
    refused(text, "", 1, 18,
            "a value is expected here, which ends, with at most 32 brackets inside of one another");
    memset(text, 0, size);
    append(text, size, "{\"Groups\":[],\"x\":\"");
    memset(text + strlen(text), 'a', EXCHANGE_ELEMENT_MAX);
    append(text, size, "\"}");
    refused(text, "x", 1, 18, "this has more than 1048576 bytes");
    memset(text, 0, size);
    append(text, size, "{\"Groups\":[],\"x\":\"");
    memset(text + strlen(text), 'a', EXCHANGE_DETAILS_MAX);
    append(text, size, "\"}");
    assert_int_equal(read_text(text, &exchange), STATUS_OK);
    assert_int_equal(exchange.faults.found, 1);
    exchange_free(&exchange);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_is_understood),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(passwords_are_not_repeated),
        cmocka_unit_test(bad_utf_8_is_refused),
        cmocka_unit_test(bad_channels_are_refused),
        cmocka_unit_test(bad_devices_are_refused),
        cmocka_unit_test(bad_groups_are_refused),
        cmocka_unit_test(an_empty_id_is_a_fault),
        cmocka_unit_test(groups_of_one_id_after_a_bad_one),
        cmocka_unit_test(an_empty_name_is_none),
        cmocka_unit_test(the_channel_is_that_of_the_first_line_that_counts),
        cmocka_unit_test(a_hundred_faults_are_kept),
        cmocka_unit_test(a_section_as_deep_as_may_be_is_kept),
        cmocka_unit_test(depth_and_size_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
