/* Fixtures of a group of tests whose log nobody reads: cmocka_run_group_tests(tests,
 * quiet_log_start, quiet_log_stop). */
#ifndef CENCD_TESTS_SIM_QUIET_LOG_H
#define CENCD_TESTS_SIM_QUIET_LOG_H

int quiet_log_start(void **state);
int quiet_log_stop(void **state);

#endif
