/* The iRZ modem in front of a meter: who it is and what it says. Everything about device `index`
 * follows from the options and its IMEI. */
#ifndef CENCD_FLEET_MODEM_H
#define CENCD_FLEET_MODEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/fleet/options.h"
#include "codec/bytes.h"

/* Twins (--flap) have the IMEI, and all that follows from it, of one of the first devices. */
uint64_t modem_imei(const struct fleet_options *options, uint32_t index);
enum meter_kind modem_meter(const struct fleet_options *options, uint32_t index);
bool modem_encapsulates(const struct fleet_options *options, uint32_t index);
uint8_t modem_signal(const struct fleet_options *options, uint32_t index); /* CSQ, 5 to 31 */

/* An ATM31 with COLPROT if it encapsulates, else an ATM21 without. */
void modem_put_hello(struct bytes_writer *writer, const struct fleet_options *options,
                     uint32_t index);

/* The bytes at the front of data that are the server's greeting, or a part of it. ended: no more
 * will come. An encapsulating modem waits for it, up to its CR; others may be greeted by the first
 * piece that they receive. */
size_t modem_greeting_size(bool encapsulates, const uint8_t *data, size_t size, bool *ended);

/* The payload of the reply to a control request (head: its first bytes); nothing if it's none. */
void modem_put_control_reply(struct bytes_writer *writer, const struct fleet_options *options,
                             uint32_t index, const uint8_t *head, size_t head_size);

#endif
