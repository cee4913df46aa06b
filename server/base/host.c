#include "server/base/host.h"

#include <string.h>

#include "server/base/address.h"

bool host_is_name(const char *text, size_t size)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";

    if (size == 0 || size >= HOST_SIZE || text[0] == '.' || text[0] == '-')
        return false;
    for (size_t i = 0; i < size; i++)
        if (text[i] == '\0' || strchr(letters, text[i]) == NULL)
            return false;
    /* what ends in a number is meant as an address, and was none */
    size_t last = size;
    while (last > 0 && text[last - 1] != '.')
        last--;
    return strspn(text + last, "0123456789") < size - last;
}

bool host_is_valid(const char *text)
{
    struct cidr cidr;

    if (strchr(text, '/') == NULL && cidr_parse(text, &cidr) == STATUS_OK)
        return true;
    return host_is_name(text, strnlen(text, HOST_SIZE));
}
