#include "config/schema.h"

#include "config/config.h"

#define GLOBAL(member)    offsetof(struct config, member)
#define LISTENER(member)  offsetof(struct config_listener, member)
#define CONSUMER(member)  offsetof(struct config_consumer, member)
#define WAY(member)       offsetof(struct config_way, member)
#define UNIX_ROLE(member) offsetof(struct config_unix_role, member)
#define SECTION(table)                                                                             \
    {                                                                                              \
        .keys = (table), .count = sizeof(table) / sizeof((table)[0])                               \
    }

/* Keys of a section `tls` (struct config_tls) of something that listens; place is GLOBAL or
 * LISTENER and member where the struct is. */
// NOLINTBEGIN(bugprone-macro-parentheses): member is a field's name
#define TLS_KEYS(place, member)                                                                    \
    {"certificate", CONFIG_FILE, place(member.certificate), .fallback = "\"\"",                    \
     .help = "PEM file of the certificate, with the chain behind it; empty: no TLS."},             \
        {"key", CONFIG_FILE, place(member.key), .fallback = "\"\"",                                \
         .help = "PEM file of its key, without a password; needed with certificate."},             \
    {                                                                                              \
        "client_ca", CONFIG_FILE, place(member.client_ca),                                         \
            .fallback = "\"\"",                                                                    \
            .help =                                                                                \
                "PEM file of the CAs that sign clients' certificates; a client without one is "    \
                "refused. Empty: clients need none."                                               \
    }
// NOLINTEND(bugprone-macro-parentheses)

static const char *const admissions[] = {"open", "approve", NULL};
static const char *const transports[] = {"tcp", "udp", NULL};
static const char *const anonymous_words[] = {"refuse", "allow", NULL};
static const char *const kinds[] = {"socks5", "connect", "modem", NULL};
static const char *const roles[] = {"viewer", "operator", "admin", NULL};
static const char *const priorities[] = {"person", "collection", NULL};

static const struct config_key server_keys[] = {
    {"node", CONFIG_NAME, GLOBAL(server.node), .fallback = "node1",
     .help = "Name of this server in logs, metrics and events."},
    {"shards", CONFIG_SHARDS, GLOBAL(server.shards), .minimum = 1, .maximum = 512,
     .fallback = "auto", .unit = "threads",
     .help = "Threads that carry links; auto: one for each processor this process may use."},
    {"state_dir", CONFIG_PATH, GLOBAL(server.state_dir), .fallback = "\"\"",
     .help = "Folder of what must outlast a restart: the journal and the directory. It is made if "
             "its parent exists. Empty: nothing is kept, everything is in memory."},
};

static const struct config_key journal_keys[] = {
    {"segment_mb", CONFIG_INTEGER, GLOBAL(journal.segment_mb), .minimum = 1, .maximum = 1024,
     .fallback = "64", .unit = "MiB", .help = "Size at which the next file begins."},
    {"queue_mb", CONFIG_INTEGER, GLOBAL(journal.queue_mb), .minimum = 1, .maximum = 4096,
     .fallback = "64", .unit = "MiB",
     .help = "Events that wait for the disk. At half of it connects and disconnects are refused, "
             "at three quarters sessions and pushes, at the whole last gasps and new devices."},
    {"retention_mb", CONFIG_INTEGER, GLOBAL(journal.retention_mb), .minimum = 16,
     .maximum = 4000000000, .fallback = "10240", .unit = "MiB",
     .help = "The most that the journal may take on the disk; beyond it the oldest files go, read "
             "or not."},
    {"retention_days", CONFIG_INTEGER, GLOBAL(journal.retention_days), .minimum = 0,
     .maximum = 3650, .fallback = "30", .unit = "days",
     .help = "Files with nothing newer go when every reader has had them; 0: only when the disk "
             "limit asks for it."},
    {"sessions_need_it", CONFIG_BOOL, GLOBAL(journal.sessions_need_it), .fallback = "false",
     .help = "Whether agents are refused while the disk takes no events, so that no access goes "
             "unrecorded."},
    {"sync_delay_ms", CONFIG_INTEGER, GLOBAL(journal.sync_delay_ms), .minimum = 0, .maximum = 1000,
     .fallback = "0", .unit = "ms",
     .help = "Each sync takes so much longer: to measure what a slow disk would do, and nothing "
             "else."},
};

static const struct config_key redis_tls_keys[] = {
    {"ca", CONFIG_FILE, GLOBAL(redis.tls.ca), .fallback = "\"\"",
     .help = "PEM file of the CAs that may have signed its certificate; empty: the system's."},
    {"certificate", CONFIG_FILE, GLOBAL(redis.tls.certificate), .fallback = "\"\"",
     .help = "PEM file of the certificate to show to Redis, with its chain; empty: none."},
    {"key", CONFIG_FILE, GLOBAL(redis.tls.key), .fallback = "\"\"",
     .help = "PEM file of its key, without a password; needed with certificate."},
    {"server_name", CONFIG_TEXT, GLOBAL(redis.tls.server_name), .fallback = "\"\"",
     .help = "Name or IP address that Redis' certificate must be for; empty: the host of url."},
    {"verify", CONFIG_BOOL, GLOBAL(redis.tls.verify), .fallback = "true",
     .help = "Whether certificate and name are checked; without that anybody in between may read "
             "and write what cencd does."},
};
static const struct config_section redis_tls_section = SECTION(redis_tls_keys);

static const struct config_key redis_keys[] = {
    {"url", CONFIG_REDIS_URL, GLOBAL(redis.url), .fallback = "\"\"",
     .help = "Where Redis is; rediss:// is TLS, without which it belongs on this machine or in a "
             "network of one's own. Empty: off. Needs server.state_dir."},
    {"user", CONFIG_TEXT, GLOBAL(redis.user), .fallback = "\"\"",
     .help = "Redis' user (ACL); empty: its default user."},
    {"password_file", CONFIG_PATH, GLOBAL(redis.password_file), .fallback = "\"\"",
     .help = "File that holds the password and nothing else; empty: none."},
    {"tls", CONFIG_SECTION, .section = &redis_tls_section,
     .help = "How Redis is known to be the right one, with a url of rediss://."},
    {"prefix", CONFIG_TEXT, GLOBAL(redis.prefix), .fallback = "\"cencd:\"",
     .help = "What the name of every key begins with."},
    {"presence_ttl_s", CONFIG_INTEGER, GLOBAL(redis.presence_ttl_s), .minimum = 10,
     .maximum = 86400, .fallback = "90", .unit = "s",
     .help = "How long devices still count as present when this server is gone."},
};

static const struct config_key log_keys[] = {
    {"level", CONFIG_LEVEL, GLOBAL(log.level), .fallback = "info",
     .help = "Least important lines that are still written."},
};

static const struct config_key limit_keys[] = {
    {"links", CONFIG_INTEGER, GLOBAL(limits.links), .minimum = 1, .maximum = 10000000,
     .fallback = "100000", .unit = "links",
     .help = "Links in all; when as many are there, no more are accepted."},
    {"unidentified", CONFIG_INTEGER, GLOBAL(limits.unidentified), .minimum = 1, .maximum = 1000000,
     .fallback = "20000", .unit = "links", .help = "Links whose device isn't known yet, in all."},
    {"unidentified_per_source", CONFIG_INTEGER, GLOBAL(limits.unidentified_per_source),
     .minimum = 1, .maximum = 1000000, .fallback = "10000", .unit = "links",
     .help = "The same from one source address; a carrier's whole network may be one address."},
    {"devices", CONFIG_INTEGER, GLOBAL(limits.devices), .minimum = 1, .maximum = 100000000,
     .fallback = "1000000", .unit = "devices",
     .help = "Devices that are known, online or not; each takes about 200 bytes of memory."},
    {"sessions", CONFIG_INTEGER, GLOBAL(limits.sessions), .minimum = 1, .maximum = 1000000,
     .fallback = "10000", .unit = "sessions",
     .help = "Sessions in all: agents joined to a device at the same time."},
    {"session_buffer_bytes", CONFIG_INTEGER, GLOBAL(limits.session_buffer_bytes), .minimum = 4096,
     .maximum = 1048576, .fallback = "65536", .unit = "bytes",
     .help = "Bytes of a session that wait for a slow reader, for each direction."},
};

static const struct config_key links_keys[] = {
    {"hold_s", CONFIG_INTEGER, GLOBAL(links.hold_s), .minimum = 1, .maximum = 300, .fallback = "30",
     .unit = "s",
     .help = "How long a device's new link waits while its older one carries a session."},
    {"flap_count", CONFIG_INTEGER, GLOBAL(links.flap_count), .minimum = 1, .maximum = 1000,
     .fallback = "5", .unit = "links",
     .help = "Replaced links within flap_window_s that make a device count as flapping."},
    {"flap_window_s", CONFIG_INTEGER, GLOBAL(links.flap_window_s), .minimum = 1, .maximum = 3600,
     .fallback = "60", .unit = "s", .help = "Time in which replaced links are counted."},
    {"network_prefix_v4", CONFIG_INTEGER, GLOBAL(links.network_prefix_v4), .minimum = 0,
     .maximum = 32, .fallback = "16", .unit = "bits",
     .help = "IPv4 addresses with these first bits in common are one network; a device that is "
             "replaced from another network is a security event."},
    {"network_prefix_v6", CONFIG_INTEGER, GLOBAL(links.network_prefix_v6), .minimum = 0,
     .maximum = 128, .fallback = "32", .unit = "bits", .help = "The same for IPv6."},
    {"unparsed_bytes", CONFIG_INTEGER, GLOBAL(links.unparsed_bytes), .minimum = 0, .maximum = 4096,
     .fallback = "256", .unit = "bytes",
     .help = "Of what a device sends while nobody reads and its plugin doesn't know, so many bytes "
             "are kept in an event; 0: there are no such events."},
    {"unparsed_interval_s", CONFIG_INTEGER, GLOBAL(links.unparsed_interval_s), .minimum = 1,
     .maximum = 86400, .fallback = "60", .unit = "s",
     .help = "A device makes one such event within this time; further bytes are counted."},
};

static const struct config_key sessions_keys[] = {
    {"idle_timeout_s", CONFIG_INTEGER, GLOBAL(sessions.idle_timeout_s), .minimum = 0,
     .maximum = 86400, .fallback = "300", .unit = "s",
     .help = "A session ends when no byte went either way for this long; 0: never."},
    {"half_close_s", CONFIG_INTEGER, GLOBAL(sessions.half_close_s), .minimum = 0, .maximum = 600,
     .fallback = "3", .unit = "s",
     .help = "How long the device may still answer after the agent closed its side."},
    {"max_length_s", CONFIG_INTEGER, GLOBAL(sessions.max_length_s), .minimum = 0, .maximum = 604800,
     .fallback = "0", .unit = "s", .help = "The longest session; 0: as long as it takes."},
    {"yield_after_s", CONFIG_INTEGER, GLOBAL(sessions.yield_after_s), .minimum = 0,
     .maximum = 86400, .fallback = "60", .unit = "s",
     .help = "A session in which no byte went either way for this long ends when another agent "
             "waits for the device, or comes; 0: it doesn't."},
    {"max_waiting", CONFIG_INTEGER, GLOBAL(sessions.max_waiting), .minimum = 0, .maximum = 1000,
     .fallback = "8", .unit = "agents",
     .help = "Agents that may wait for one device; wait_s of their way in says how long."},
};

static const struct config_key direct_ports_keys[] = {
    {"enabled", CONFIG_BOOL, GLOBAL(direct_ports.enabled), .fallback = "true",
     .help = "Whether devices get TCP ports of their own, for agents to connect to."},
    {"range", CONFIG_PORT_RANGE, GLOBAL(direct_ports.first), GLOBAL(direct_ports.last),
     .fallback = "20000-29999",
     .help = "The ports to lease. No listener's port may be inside, and the range must lie outside "
             "net.ipv4.ip_local_port_range, from which the kernel takes ports by itself."},
    {"address", CONFIG_IP, GLOBAL(direct_ports.bind), .fallback = "127.0.0.1",
     .help = "The server's own address on which the direct ports are opened."},
    {"allow", CONFIG_CIDRS, GLOBAL(direct_ports.allow), GLOBAL(direct_ports.allow_count),
     .minimum = 1, .maximum = CONFIG_MAX_CIDRS, .fallback = "[127.0.0.0/8, \"::1/128\"]",
     .help = "Networks from which agents may connect to direct ports."},
    {"anonymous", CONFIG_CHOICE, GLOBAL(direct_ports.anonymous), .words = anonymous_words,
     .fallback = "refuse",
     .help = "Whether an agent may have the device whose address is in no account's list. Without "
             "server.state_dir there are no accounts, so that all are refused unless this says "
             "allow."},
    {"wait_s", CONFIG_INTEGER, GLOBAL(direct_ports.wait_s), .minimum = 0, .maximum = 3600,
     .fallback = "0", .unit = "s",
     .help = "How long an agent waits for a device that another has; 0: it is told at once."},
    {"priority", CONFIG_CHOICE, GLOBAL(direct_ports.priority), .words = priorities,
     .fallback = "person",
     .help = "As what these agents wait: persons come before mass collection."},
};

static const struct config_key ops_keys[] = {
    {"enabled", CONFIG_BOOL, GLOBAL(ops.enabled), .fallback = "true",
     .help = "Whether /metrics, /stats, /healthz and /readyz are served."},
    {"address", CONFIG_ENDPOINT, GLOBAL(ops.address), .fallback = "127.0.0.1:9190",
     .help = "Where they are served, over HTTP; a loopback address, since nobody has to log "
             "in."},
    {"max_connections", CONFIG_INTEGER, GLOBAL(ops.max_connections), .minimum = 1, .maximum = 1024,
     .fallback = "32", .unit = "connections", .help = "HTTP connections at the same time."},
    {"failed_identifications", CONFIG_INTEGER, GLOBAL(ops.failed_identifications), .minimum = 1,
     .maximum = 100000, .fallback = "1000", .unit = "records",
     .help = "Failed identifications that are kept, the newest, and shown in /stats."},
};

static const struct config_key buffers_keys[] = {
    {"small_count", CONFIG_POWER_OF_TWO, GLOBAL(buffers.small_count), .minimum = 64,
     .maximum = 32768, .fallback = "1024", .unit = "buffers",
     .help = "Receive buffers of a shard for greetings, idle links and ordinary traffic."},
    {"small_size_bytes", CONFIG_INTEGER, GLOBAL(buffers.small_size_bytes), .minimum = 512,
     .maximum = 16384, .fallback = "2048", .unit = "bytes", .help = "Size of each of them."},
    {"large_count", CONFIG_POWER_OF_TWO, GLOBAL(buffers.large_count), .minimum = 1, .maximum = 1024,
     .fallback = "16", .unit = "buffers",
     .help = "Receive buffers of a shard for sessions that move much data."},
    {"large_size_bytes", CONFIG_INTEGER, GLOBAL(buffers.large_size_bytes), .minimum = 16384,
     .maximum = 1048576, .fallback = "65536", .unit = "bytes", .help = "Size of each of them."},
    {"datagram_count", CONFIG_POWER_OF_TWO, GLOBAL(buffers.datagram_count), .minimum = 64,
     .maximum = 32768, .fallback = "1024", .unit = "buffers",
     .help = "Receive buffers of a shard for the datagrams of its udp listeners."},
    {"datagram_size_bytes", CONFIG_INTEGER, GLOBAL(buffers.datagram_size_bytes), .minimum = 512,
     .maximum = 65536, .fallback = "2048", .unit = "bytes",
     .help = "Size of each of them; 160 bytes less than that is the longest datagram that is read "
             "whole."},
};

static const struct config_key plugins_keys[] = {
    {"load", CONFIG_OBJECTS, .minimum = 0, .maximum = 32, .fallback = "[]",
     .help = "Shared objects with more plugins, as absolute paths; built-in ones need no entry."},
};

static const struct config_key tcp_keys[] = {
    {"keepalive_idle_s", CONFIG_INTEGER, LISTENER(tcp.keepalive_idle_s), .minimum = 0,
     .maximum = 7200, .fallback = "60", .unit = "s",
     .help = "TCP keepalive: silence before the first probe; 0: no keepalive."},
    {"keepalive_interval_s", CONFIG_INTEGER, LISTENER(tcp.keepalive_interval_s), .minimum = 1,
     .maximum = 600, .fallback = "15", .unit = "s", .help = "Time between probes."},
    {"keepalive_count", CONFIG_INTEGER, LISTENER(tcp.keepalive_count), .minimum = 1, .maximum = 20,
     .fallback = "4", .unit = "probes", .help = "Unanswered probes after which the link is gone."},
    {"user_timeout_s", CONFIG_INTEGER, LISTENER(tcp.user_timeout_s), .minimum = 0, .maximum = 3600,
     .fallback = "120", .unit = "s",
     .help = "TCP_USER_TIMEOUT: how long sent bytes may stay unacknowledged; 0: the system's."},
};
static const struct config_section tcp_section = SECTION(tcp_keys);

static const struct config_key listener_keys[] = {
    {"name", CONFIG_NAME, LISTENER(name),
     .help = "Name of the listener in logs and metrics; each has its own."},
    {"address", CONFIG_ENDPOINT, LISTENER(address),
     .help = "Where devices dial in; 0.0.0.0 is every IPv4 address of this server, [::] every one "
             "of both families."},
    {"transport", CONFIG_CHOICE, LISTENER(transport), .words = transports, .fallback = "tcp",
     .help = "tcp, or udp for devices that push datagrams; then only plugins that hand on pushes."},
    {"receive_buffer_bytes", CONFIG_INTEGER, LISTENER(receive_buffer_bytes), .minimum = 65536,
     .maximum = 1073741823, .fallback = "83886080", .unit = "bytes",
     .help = "udp: what to ask of the kernel for datagrams that wait; a short one takes about 420 "
             "of them. Without CAP_NET_ADMIN at most net.core.rmem_max is given."},
    {"scope", CONFIG_NAME, LISTENER(scope), .fallback = "default",
     .help = "Where serials are unique: a device is known by scope and serial, since two makers "
             "may use one number."},
    {"admission", CONFIG_CHOICE, LISTENER(admission), .words = admissions, .fallback = "open",
     .help =
         "approve: a device that nobody knew is known and listed, but no agent reaches it until "
         "an operator has approved it; this needs server.state_dir."},
    {"plugins", CONFIG_PLUGINS, LISTENER(plugins), LISTENER(plugin_count), .minimum = 1,
     .maximum = CONFIG_MAX_PLUGINS,
     .help = "Kinds of devices to recognise, asked in this order: a plugin's name, or a map of its "
             "name to its settings."},
    {"max_links", CONFIG_INTEGER, LISTENER(max_links), .minimum = 0, .maximum = 10000000,
     .fallback = "0", .unit = "links", .help = "Links of this listener; 0: no limit of its own."},
    {"backlog", CONFIG_INTEGER, LISTENER(backlog), .minimum = 1, .maximum = 65535,
     .fallback = "4096", .unit = "connections",
     .help = "Connections that wait in the kernel; at most net.core.somaxconn."},
    {"greeting_timeout_s", CONFIG_INTEGER, LISTENER(greeting_timeout_s), .minimum = 1,
     .maximum = 600, .fallback = "30", .unit = "s",
     .help = "Time for a new link to tell which device it is."},
    {"greeting_max_bytes", CONFIG_INTEGER, LISTENER(greeting_max_bytes), .minimum = 64,
     .maximum = 16384, .fallback = "1024", .unit = "bytes",
     .help = "Bytes in which it must have told that."},
    {"idle_timeout_s", CONFIG_INTEGER, LISTENER(idle_timeout_s), .minimum = 0, .maximum = 604800,
     .fallback = "900", .unit = "s",
     .help = "A link without a session is closed after this silence; 0: never."},
    {"tcp", CONFIG_SECTION, .section = &tcp_section,
     .help = "How the kernel finds out that a device is gone. The defaults suit GSM."},
};
static const struct config_section listener_section = SECTION(listener_keys);

static const struct config_key way_tls_keys[] = {TLS_KEYS(WAY, tls)};
static const struct config_section way_tls_section = SECTION(way_tls_keys);

static const struct config_key way_keys[] = {
    {"name", CONFIG_NAME, WAY(name), .help = "Name of the listener in logs; each has its own."},
    {"address", CONFIG_ENDPOINT, WAY(address), .help = "Where agents connect."},
    {"kind", CONFIG_CHOICE, WAY(kind), .words = kinds,
     .help = "socks5: RFC 1928 and 1929; connect: HTTP CONNECT with Basic authentication; modem: a "
             "Hayes modem, the serial is what is dialled."},
    {"tls", CONFIG_SECTION, .section = &way_tls_section, .help = "The same inside TLS."},
    {"allow", CONFIG_CIDRS, WAY(allow), WAY(allow_count), .minimum = 1, .maximum = CONFIG_MAX_CIDRS,
     .fallback = "[127.0.0.0/8, \"::1/128\"]", .help = "Networks from which agents may connect."},
    {"anonymous", CONFIG_CHOICE, WAY(anonymous), .words = anonymous_words, .fallback = "refuse",
     .help = "Whether agents may pass that don't log in."},
    {"login", CONFIG_TEXT, WAY(login), .fallback = "\"AT+LOGIN={name},{password}\"",
     .help = "modem: the line by which software logs in, with {name} and {password}. Empty: the "
             "account is the one whose list of addresses holds the agent's."},
    {"scope", CONFIG_TEXT, WAY(scope), .fallback = "\"\"",
     .help = "In which scope serials are looked up. Empty: in all; a serial that is in several is "
             "refused."},
    {"wait_s", CONFIG_INTEGER, WAY(wait_s), .minimum = 0, .maximum = 3600, .fallback = "0",
     .unit = "s",
     .help = "How long an agent waits for a device that another has; 0: it is told at once."},
    {"priority", CONFIG_CHOICE, WAY(priority), .words = priorities, .fallback = "person",
     .help = "As what these agents wait: persons come before mass collection."},
    {"backlog", CONFIG_INTEGER, WAY(backlog), .minimum = 1, .maximum = 65535, .fallback = "512",
     .unit = "connections",
     .help = "Connections that wait in the kernel; at most net.core.somaxconn."},
};
static const struct config_section way_section = SECTION(way_keys);

static const struct config_key agents_keys[] = {
    {"connections", CONFIG_INTEGER, GLOBAL(agents.connections), .minimum = 1, .maximum = 1000000,
     .fallback = "1000", .unit = "connections",
     .help = "Agents' connections that have no session (yet), on all these listeners."},
    {"unauthenticated_per_source", CONFIG_INTEGER, GLOBAL(agents.unauthenticated_per_source),
     .minimum = 1, .maximum = 1000000, .fallback = "100", .unit = "connections",
     .help = "Of these, from one source address that hasn't logged in."},
    {"greeting_timeout_s", CONFIG_INTEGER, GLOBAL(agents.greeting_timeout_s), .minimum = 1,
     .maximum = 600, .fallback = "20", .unit = "s",
     .help = "Time for an agent to log in and say which device it wants."},
    {"greeting_max_bytes", CONFIG_INTEGER, GLOBAL(agents.greeting_max_bytes), .minimum = 600,
     .maximum = 16384, .fallback = "4096", .unit = "bytes",
     .help = "Bytes in which it must have said that."},
    {"listeners", CONFIG_WAYS, GLOBAL(agents.listeners), GLOBAL(agents.listener_count),
     .minimum = 0, .maximum = CONFIG_MAX_WAYS, .fallback = "[]", .section = &way_section,
     .help = "Where agents connect that ask for a device by its serial: docs/agents.md."},
};
static const struct config_section agents_section = SECTION(agents_keys);

static const struct config_key northbound_tls_keys[] = {
    {"certificate", CONFIG_FILE, GLOBAL(northbound.tls.certificate), .fallback = "\"\"",
     .help = "PEM file of the certificate, with the chain behind it; empty: no TLS."},
    {"key", CONFIG_FILE, GLOBAL(northbound.tls.key), .fallback = "\"\"",
     .help = "PEM file of its key, without a password; needed with certificate."},
    {"client_ca", CONFIG_FILE, GLOBAL(northbound.tls.client_ca), .fallback = "\"\"",
     .help = "PEM file of the CAs that sign consumers' certificates; who shows none needs a token. "
             "Empty: no certificates, tokens only."},
};
static const struct config_section northbound_tls_section = SECTION(northbound_tls_keys);

static const struct config_key consumer_keys[] = {
    {"name", CONFIG_NAME, CONSUMER(name),
     .help = "Name of the consumer in logs, metrics and events; its position is kept under it."},
    {"token_file", CONFIG_FILE, CONSUMER(token_file), .fallback = "\"\"",
     .help = "File that holds the consumer's token and nothing else: 32 to 200 printable "
             "characters, random."},
    {"token_sha256", CONFIG_LINE, CONSUMER(token_sha256), .fallback = "\"\"",
     .help = "In place of the file: SHA-256 of the token, 64 hex digits."},
    {"certificate_subject", CONFIG_LINE, CONSUMER(certificate_subject), .fallback = "\"\"",
     .help = "Subject of the consumer's certificate as in RFC 2253: CN=hes,O=Utility."},
    {"projects", CONFIG_PROJECTS, CONSUMER(projects), .minimum = 1, .maximum = CONFIG_MAX_PROJECTS,
     .help = "What it may see: names of projects; or all, with what belongs to no project and "
             "what happens to the server itself."},
};
static const struct config_section consumer_section = SECTION(consumer_keys);

static const struct config_key northbound_keys[] = {
    {"enabled", CONFIG_BOOL, GLOBAL(northbound.enabled), .fallback = "false",
     .help = "Whether it is served. Needs server.state_dir."},
    {"address", CONFIG_DOOR, GLOBAL(northbound.address), GLOBAL(northbound.socket),
     .fallback = "127.0.0.1:9192",
     .help = "Where; without tls only a loopback address. Or unix:/run/cencd/northbound.sock: a "
             "Unix socket, which cencd's user and group may open (mode 0660)."},
    {"tls", CONFIG_SECTION, .section = &northbound_tls_section, .help = "HTTP/2 over TLS."},
    {"max_connections", CONFIG_INTEGER, GLOBAL(northbound.max_connections), .minimum = 1,
     .maximum = 65536, .fallback = "1024", .unit = "connections",
     .help =
         "Connections at the same time; beyond them one on which nobody logged in gives way, or "
         "the new one is closed at once."},
    {"consumers", CONFIG_CONSUMERS, GLOBAL(northbound.consumers), GLOBAL(northbound.consumer_count),
     .minimum = 0, .maximum = CONFIG_MAX_CONSUMERS, .fallback = "[]", .section = &consumer_section,
     .help = "Who may call; each has a position of its own in the events."},
};

static const struct config_key unix_role_keys[] = {
    {"user", CONFIG_TEXT, UNIX_ROLE(user), .fallback = "\"\"",
     .help = "A user of this machine, by name..."},
    {"group", CONFIG_TEXT, UNIX_ROLE(group), .fallback = "\"\"",
     .help = "...or a group, whose members are meant: one of both."},
    {"role", CONFIG_CHOICE, UNIX_ROLE(role), .words = roles,
     .help = "What they may do: docs/accounts.md. Of several that fit, the highest counts."},
};
static const struct config_section unix_role_section = SECTION(unix_role_keys);

static const struct config_key admin_tls_keys[] = {TLS_KEYS(GLOBAL, admin.tls)};
static const struct config_section admin_tls_section = SECTION(admin_tls_keys);

static const struct config_key admin_keys[] = {
    {"socket", CONFIG_PATH, GLOBAL(admin.socket), .fallback = "\"\"",
     .help = "The Unix socket; empty: admin.sock in server.state_dir. With unix_roles everybody on "
             "this machine may open it, and those whom nobody named are refused: put it where they "
             "can reach it, such as /run/cencd/admin.sock."},
    {"unix_roles", CONFIG_UNIX_ROLES, GLOBAL(admin.unix_roles), GLOBAL(admin.unix_role_count),
     .minimum = 0, .maximum = CONFIG_MAX_UNIX_ROLES, .fallback = "[]",
     .section = &unix_role_section,
     .help = "Who may do what there, besides root and the server's own user, who may do all."},
    {"https", CONFIG_BOOL, GLOBAL(admin.https), .fallback = "false",
     .help = "Whether the same is served by HTTPS, to those who have a token. Needs tls and "
             "server.state_dir."},
    {"address", CONFIG_ENDPOINT, GLOBAL(admin.address), .fallback = "127.0.0.1:9193",
     .help = "Where HTTPS is served."},
    {"tls", CONFIG_SECTION, .section = &admin_tls_section, .help = "Needed for https."},
    {"max_connections", CONFIG_INTEGER, GLOBAL(admin.max_connections), .minimum = 1,
     .maximum = 1024, .fallback = "64", .unit = "connections",
     .help = "By HTTPS at the same time; when all are taken, the oldest one without a good token "
             "makes room. Each that asks something has a thread."},
    {"max_connections_per_source", CONFIG_INTEGER, GLOBAL(admin.max_connections_per_source),
     .minimum = 1, .maximum = 1024, .fallback = "16", .unit = "connections",
     .help = "The same from one source address (of IPv6 its first 64 bits)."},
    {"handshake_timeout_s", CONFIG_INTEGER, GLOBAL(admin.handshake_timeout_s), .minimum = 1,
     .maximum = 60, .fallback = "10", .unit = "s", .help = "Seconds in which TLS must be there."},
    {"idle_timeout_s", CONFIG_INTEGER, GLOBAL(admin.idle_timeout_s), .minimum = 1, .maximum = 600,
     .fallback = "30", .unit = "s",
     .help = "A connection without a request is closed after so many seconds."},
    {"request_timeout_s", CONFIG_INTEGER, GLOBAL(admin.request_timeout_s), .minimum = 1,
     .maximum = 600, .fallback = "60", .unit = "s",
     .help = "Seconds for a request with its answer; a large import that comes faster than 16 kB a "
             "second has longer."},
};

static const struct config_key registration_keys[] = {
    {"plugins", CONFIG_TELLERS, GLOBAL(registration.plugins), GLOBAL(registration.plugin_count),
     .minimum = 0, .maximum = CONFIG_MAX_PLUGINS, .fallback = "[]",
     .help = "Registration plugins, each in a thread of its own: a plugin's name, or a map of its "
             "name to its settings. They need northbound.enabled."},
};

static const struct config_section registration_section = SECTION(registration_keys);
static const struct config_section northbound_section = SECTION(northbound_keys);
static const struct config_section admin_section = SECTION(admin_keys);
static const struct config_section server_section = SECTION(server_keys);
static const struct config_section log_section = SECTION(log_keys);
static const struct config_section limits_section = SECTION(limit_keys);
static const struct config_section links_section = SECTION(links_keys);
static const struct config_section sessions_section = SECTION(sessions_keys);
static const struct config_section direct_ports_section = SECTION(direct_ports_keys);
static const struct config_section ops_section = SECTION(ops_keys);
static const struct config_section journal_section = SECTION(journal_keys);
static const struct config_section redis_section = SECTION(redis_keys);
static const struct config_section buffers_section = SECTION(buffers_keys);
static const struct config_section plugins_section = SECTION(plugins_keys);

/* plugins stands before registration and listeners: what it loads is what they may name. */
static const struct config_key root_keys[] = {
    {"server", CONFIG_SECTION, .section = &server_section, .help = "This server as a whole."},
    {"log", CONFIG_SECTION, .section = &log_section,
     .help = "The log: a logfmt line for each event, on standard error."},
    {"limits", CONFIG_SECTION, .section = &limits_section,
     .help = "Bounds that hold whatever peers do."},
    {"links", CONFIG_SECTION, .section = &links_section,
     .help = "What happens when a device dials in again while its older link is still there."},
    {"sessions", CONFIG_SECTION, .section = &sessions_section, .help = "Agents joined to devices."},
    {"direct_ports", CONFIG_SECTION, .section = &direct_ports_section,
     .help = "TCP ports that belong to one device each."},
    {"agents", CONFIG_SECTION, .section = &agents_section,
     .help = "Ways in for reading software, by serial."},
    {"ops", CONFIG_SECTION, .section = &ops_section, .help = "Numbers for monitoring."},
    {"admin", CONFIG_SECTION, .section = &admin_section,
     .help = "The admin API, which cencctl speaks to; there if server.state_dir is set."},
    {"journal", CONFIG_SECTION, .section = &journal_section,
     .help = "The durable log of all events; used if server.state_dir is set."},
    {"redis", CONFIG_SECTION, .section = &redis_section,
     .help = "Devices, presence and last gasps in Redis, for other software: docs/redis.md."},
    {"northbound", CONFIG_SECTION, .section = &northbound_section,
     .help = "Events and devices for head-end systems, by gRPC: docs/northbound.md."},
    {"buffers", CONFIG_SECTION, .section = &buffers_section,
     .help = "Memory that each shard receives into."},
    {"plugins", CONFIG_SECTION, .section = &plugins_section, .help = "Where plugins come from."},
    {"registration", CONFIG_SECTION, .section = &registration_section,
     .help = "Plugins that are told of devices: docs/plugins.md."},
    {"listeners", CONFIG_LISTENERS, GLOBAL(listeners), GLOBAL(listener_count), .minimum = 1,
     .maximum = CONFIG_MAX_LISTENERS, .section = &listener_section,
     .help = "The ports on which devices dial in."},
};

const struct config_section config_schema = SECTION(root_keys);
