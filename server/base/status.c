#include "server/base/status.h"

const char *status_text(enum status status)
{
    switch (status) {
    case STATUS_OK:
        return "ok";
    case STATUS_NO_MEMORY:
        return "out of memory";
    case STATUS_FULL:
        return "limit reached";
    case STATUS_INVALID:
        return "invalid input";
    case STATUS_NOT_FOUND:
        return "not found";
    case STATUS_EXISTS:
        return "exists already";
    case STATUS_REFUSED:
        return "refused";
    case STATUS_SYSTEM:
        return "system error";
    }
    return "unknown status";
}
