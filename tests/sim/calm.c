#include "tests/sim/calm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char yaml[] = "server:\n"
                           "  shards: 1\n"
                           "direct_ports:\n"
                           "  range: 20000-20007\n"
                           "  anonymous: allow\n"
                           "listeners:\n"
                           "  - name: modems\n"
                           "    address: 0.0.0.0:5009\n"
                           "    plugins: [irz]\n"
                           "  - name: acknowledged\n"
                           "    address: 0.0.0.0:5010\n"
                           "    plugins:\n"
                           "      - irz:\n"
                           "          acknowledge_keepalive: true\n";

struct site calm;
const uint8_t calm_keepalive[] = {0xB5, 0xBC, 0xBD, 0xBE, 0xBF};

void calm_load(void)
{
    struct sim_options options;
    sim_options_calm(&options, 1);
    site_load(&calm, &options, yaml);
}

void calm_load_narrow(uint32_t socket_bytes)
{
    struct sim_options options;
    sim_options_calm(&options, 1);
    options.socket_bytes_min = socket_bytes;
    options.socket_bytes_max = socket_bytes;
    site_load(&calm, &options, yaml);
}

void calm_start(void)
{
    site_start(&calm, 20000);
    site_run(&calm, 0);
}

void calm_open(void)
{
    calm_load();
    calm_start();
}

void calm_finish(void)
{
    site_check(&calm);
    site_stop(&calm);
    site_close(&calm);
}

void calm_require_closed(enum close_reason reason, uint64_t times)
{
    site_check(&calm);
    assert_int_equal(site_closed(&calm, reason), times);
}

void calm_dial_in(struct caller *modem, const char *ip)
{
    caller_modem(modem, &calm, ip, CALM_PORT, CALLER_SERIAL);
}

void calm_join(struct caller *modem, struct caller *agent)
{
    calm_dial_in(modem, "10.0.0.1");
    caller_agent(agent, &calm, CALLER_SERIAL);
    assert_true(caller_in_session(agent));
}
