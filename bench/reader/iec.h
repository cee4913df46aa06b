/* Reads an IEC 62056-21 mode C meter of Energomera's CE series: serial, energy, clock. */
#ifndef CENCD_READER_IEC_H
#define CENCD_READER_IEC_H

#include "bench/reader/line.h"
#include "bench/reader/reading.h"

/* The sentence of what went wrong is in line->error. */
enum status iec_read(struct line *line, struct reading *reading) MUST_CHECK;

#endif
