#include "codec/proxy/socks5.h"

#include <string.h>

#include "codec/bytes.h"

#define VERSION       5u
#define LOGIN_VERSION 1u

enum address_type { TYPE_IPV4 = 1, TYPE_NAME = 3, TYPE_IPV6 = 4 };

enum codec_result socks5_read_methods(const uint8_t *data, size_t size,
                                      struct socks5_methods *methods, size_t *consumed)
{
    struct bytes_reader reader = bytes_reader_over(data, size);

    memset(methods, 0, sizeof(*methods));
    if (size > 0 && data[0] != VERSION)
        return CODEC_INVALID;
    (void)bytes_get_u8(&reader);
    size_t count = bytes_get_u8(&reader);
    const uint8_t *offered = bytes_get(&reader, count);
    if (reader.failed)
        return CODEC_NEED_MORE;
    methods->none = memchr(offered, SOCKS5_NO_AUTHENTICATION, count) != NULL;
    methods->password = memchr(offered, SOCKS5_PASSWORD, count) != NULL;
    *consumed = reader.at;
    return CODEC_OK;
}

enum codec_result socks5_read_login(const uint8_t *data, size_t size, struct socks5_login *login,
                                    size_t *consumed)
{
    struct bytes_reader reader = bytes_reader_over(data, size);

    memset(login, 0, sizeof(*login));
    if (size > 0 && data[0] != LOGIN_VERSION)
        return CODEC_INVALID;
    (void)bytes_get_u8(&reader);
    size_t name_size = bytes_get_u8(&reader);
    const uint8_t *name = bytes_get(&reader, name_size);
    size_t password_size = bytes_get_u8(&reader);
    const uint8_t *password = bytes_get(&reader, password_size);
    if (reader.failed)
        return CODEC_NEED_MORE;
    if (memchr(name, '\0', name_size) != NULL)
        return CODEC_INVALID;
    memcpy(login->name, name, name_size);
    memcpy(login->password, password, password_size);
    login->password_size = password_size;
    *consumed = reader.at;
    return CODEC_OK;
}

static void read_ip(struct bytes_reader *reader, enum destination_kind kind, size_t size,
                    struct destination *destination)
{
    const uint8_t *ip = bytes_get(reader, size);

    destination->kind = kind;
    if (ip != NULL)
        memcpy(destination->ip, ip, size);
}

static void read_name(struct bytes_reader *reader, struct destination *destination)
{
    size_t size = bytes_get_u8(reader);
    const uint8_t *name = bytes_get(reader, size);

    if (name != NULL)
        destination_read((const char *)name, size, destination);
}

enum codec_result socks5_read_request(const uint8_t *data, size_t size,
                                      struct socks5_request *request, size_t *consumed)
{
    struct bytes_reader reader = bytes_reader_over(data, size);

    memset(request, 0, sizeof(*request));
    if (size > 0 && data[0] != VERSION)
        return CODEC_INVALID;
    (void)bytes_get_u8(&reader);
    request->command = bytes_get_u8(&reader);
    (void)bytes_get_u8(&reader); /* reserved */
    uint8_t type = bytes_get_u8(&reader);
    if (reader.failed)
        return CODEC_NEED_MORE;
    switch (type) {
    case TYPE_IPV4:
        read_ip(&reader, DESTINATION_IPV4, 4, &request->destination);
        break;
    case TYPE_IPV6:
        read_ip(&reader, DESTINATION_IPV6, 16, &request->destination);
        break;
    case TYPE_NAME:
        read_name(&reader, &request->destination);
        break;
    default:
        return CODEC_INVALID;
    }
    request->port = bytes_get_u16(&reader);
    if (reader.failed)
        return CODEC_NEED_MORE;
    *consumed = reader.at;
    return CODEC_OK;
}

void socks5_write_method(enum socks5_method method, uint8_t out[SOCKS5_METHOD_REPLY_SIZE])
{
    out[0] = VERSION;
    out[1] = (uint8_t)method;
}

void socks5_write_login(bool good, uint8_t out[SOCKS5_LOGIN_REPLY_SIZE])
{
    out[0] = LOGIN_VERSION;
    out[1] = good ? 0 : 1;
}

void socks5_write_reply(enum socks5_reply reply, uint8_t out[SOCKS5_REPLY_SIZE])
{
    memset(out, 0, SOCKS5_REPLY_SIZE);
    out[0] = VERSION;
    out[1] = (uint8_t)reply;
    out[3] = TYPE_IPV4;
}
