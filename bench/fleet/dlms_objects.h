/* The values of the simulated DLMS meter's objects. */
#ifndef CENCD_FLEET_DLMS_OBJECTS_H
#define CENCD_FLEET_DLMS_OBJECTS_H

#include <stdint.h>

#include "codec/bytes.h"
#include "codec/cosem/apdu.h"

#define DLMS_PROFILE_ROWS     96u /* kept */
#define DLMS_PROFILE_PERIOD_S 3600u

/* Puts the encoded value that the request asks for, or answers why not. */
enum cosem_access_result dlms_objects_get(uint32_t serial, uint64_t utc_s,
                                          const struct cosem_get_request *request,
                                          struct bytes_writer *value);

#endif
