/* CSV: quoting, separators, and what rows say of devices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/exchange/csv.h"
#include "server/exchange/csv_read.h"

static enum status read_text(const char *text, const char *project, struct exchange *exchange)
{
    memset(exchange, 0, sizeof(*exchange));
    return csv_read(text, strlen(text), project, exchange);
}

static void fields_are_quoted_as_in_the_rfc(void **state)
{
    static struct csv csv;
    static const char text[] = "\xef\xbb\xbf"
                               "a,\"b,\"\"c\"\"\",\r\n\r\n\"two\nlines\",,x\n1";
    const char *fault = NULL;

    (void)state;
    csv_open(&csv, text, sizeof(text) - 1);
    assert_int_equal(csv_next(&csv, &fault), CSV_ROW);
    assert_int_equal(csv.count, 3);
    assert_string_equal(csv.fields[0], "a");
    assert_string_equal(csv.fields[1], "b,\"c\"");
    assert_string_equal(csv.fields[2], "");
    assert_int_equal(csv_next(&csv, &fault), CSV_BAD);
    assert_string_equal(fault, "a field has a control character");
    assert_int_equal(csv.line, 3);
    assert_int_equal(csv_next(&csv, &fault), CSV_ROW);
    assert_int_equal(csv.line, 5);
    assert_string_equal(csv.fields[0], "1");
    assert_int_equal(csv_next(&csv, &fault), CSV_END);
}

static void projects_and_groups_are_made_of_rows(void **state)
{
    struct exchange exchange;

    (void)state;
    assert_int_equal(read_text("serial,project,group\r\n1,north,street\r\n2,north,street\r\n"
                               "3,south,street\r\n4,north,\r\n5,,\r\n",
                               "", &exchange),
                     STATUS_OK);
    assert_int_equal(exchange.faults.found, 0);
    assert_int_equal(exchange.project_count, 2);
    assert_int_equal(exchange.group_count, 2);
    assert_int_equal(exchange.device_count, 5);
    assert_int_equal(exchange.devices[1].group, exchange.devices[0].group);
    assert_int_equal(exchange.devices[2].group, 1);
    assert_int_equal(exchange.devices[3].group, EXCHANGE_NONE);
    assert_int_equal(exchange.devices[4].project, EXCHANGE_NONE);
    assert_true(exchange.devices[4].has_place);
    assert_false(exchange.devices[0].has_channel);
    exchange_free(&exchange);
}

static void channels_are_made_of_addresses(void **state)
{
    struct exchange exchange;

    (void)state;
    assert_int_equal(read_text("serial;host;port\n1;10.0.0.1;5000\n2;10.0.0.1;5000\n3;a;1\n4;;\n",
                               "north", &exchange),
                     STATUS_OK);
    assert_int_equal(exchange.faults.found, 0);
    assert_int_equal(exchange.channel_count, 2);
    assert_string_equal(exchange.channels[0].name, "10.0.0.1:5000");
    assert_int_equal(exchange.devices[1].channel, 0);
    assert_int_equal(exchange.devices[3].channel, EXCHANGE_NONE);
    assert_false(exchange.devices[3].has_channel);
    assert_int_equal(exchange.devices[0].project, 0);
    exchange_free(&exchange);
}

static void refused(const char *text, uint32_t line, uint32_t column, const char *what)
{
    struct exchange exchange;

    assert_int_equal(read_text(text, "", &exchange), STATUS_OK);
    assert_int_equal(exchange.faults.found, 1);
    assert_string_equal(exchange.faults.list[0].text, what);
    assert_int_equal(exchange.faults.list[0].line, line);
    assert_int_equal(exchange.faults.list[0].column, column);
    exchange_free(&exchange);
}

static void bad_files_are_refused(void **state)
{
    (void)state;
    refused("", 0, 0, "the file is empty");
    refused("1,serial\n", 1, 1, "the first row names columns: " CSV_COLUMNS " are known");
    refused("project,group\n", 1, 0, "the column serial is missing");
    refused("serial,serial\n", 1, 2, "this column is there twice");
    refused("serial,group\n", 1, 0, "groups are inside of projects: the column project is missing");
    refused("serial,host\n", 1, 0, "host and port belong together");
    refused("serial,channel\n", 1, 0, "channel and exclusive say nothing without host and port");
}

static void bad_rows_are_refused(void **state)
{
    (void)state;
    refused("serial,project\n1,a,b\n", 2, 0, "there are 3 fields, but 2 columns");
    refused("serial,project\n1,a\n\n1,a\n", 4, 1, "the serial 1 was in line 2 already");
    refused("serial,project\n,a\n", 2, 1, "the serial is empty");
    refused("serial,project\n\"1,a\n", 2, 1, "the quotes of a field have no end");
    refused("serial,project\n1,\"a\"b\n", 2, 2, "something follows the quotes of a field");
    refused("serial,project\n1,a\"\n", 2, 2, "quotes are around a field or nowhere");
    refused("serial,project\n1,\xc3(\n", 2, 2, "a field is no UTF-8");
    refused("serial,project,group\n1,,a\n", 2, 3,
            "a group is inside of a project, which is missing");
    refused("serial,host,port\n1,a,0\n", 2, 3, "this is no number from 1 to 65535");
    refused("serial,host,port\n1,a,99999999999999999999\n", 2, 3,
            "this is no number from 1 to 65535");
    refused("serial,host,port\n1,,5\n", 2, 2, "the host is missing");
    refused("serial,host,port,channel\n1,a,1,x\n2,b,1,x\n", 3, 4,
            "the channel has another host or port in another row");
    refused("serial,host,port,channel\n1,a,1,x\n2,a,1,y\n", 3, 4,
            "host and port have another channel in another row");
    /* what a bad row said is nothing that later rows find */
    refused("serial,host,port,channel\n1,a,1,x\n2,a,2,x\n3,a,2,y\n", 3, 4,
            "the channel has another host or port in another row");
    refused("serial,host,port,channel\n1,a,1,x\n2,a,1,y\n3,b,1,y\n", 3, 4,
            "host and port have another channel in another row");
    refused("serial,host,port,exclusive\n1,a,1,yes\n2,a,1,no\n", 3, 4,
            "the channel is said otherwise in another row");
    refused("serial,host,port,exclusive\n1,a,1,maybe\n", 2, 4, "this is neither yes nor no");
}

static void one_serial_may_be_in_two_scopes(void **state)
{
    struct exchange exchange;

    (void)state;
    assert_int_equal(read_text("serial,scope\n1,a\n1,b\n1,\n", "", &exchange), STATUS_OK);
    assert_int_equal(exchange.faults.found, 0);
    exchange_free(&exchange);
    refused("serial,scope\n1,a\n1,a\n", 3, 1, "the serial 1 was in line 2 already");
}

static void long_fields_are_refused(void **state)
{
    static char text[4096] = "serial,project\n1,";

    (void)state;
    memset(text + strlen(text), 'a', 1025);
    (void)snprintf(text + strlen(text), 16, "\n2,b\n");
    refused(text, 2, 2, "a field has more than 1024 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_quoted_as_in_the_rfc),
        cmocka_unit_test(projects_and_groups_are_made_of_rows),
        cmocka_unit_test(channels_are_made_of_addresses),
        cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(bad_rows_are_refused),
        cmocka_unit_test(one_serial_may_be_in_two_scopes),
        cmocka_unit_test(long_fields_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
