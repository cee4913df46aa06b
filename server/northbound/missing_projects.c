/* Projects that the configuration gives to a consumer by name, and that don't exist: a wrong name,
 * or one that was changed since. Such a consumer is told nothing of what it should see, and no call
 * of its fails; so the log tells, and the numbers. */
#include "server/base/log.h"
#include "server/directory/projects.h"
#include "server/northbound/internal.h"

_Static_assert(CONFIG_MAX_PROJECTS <= 32, "a bit for each");

static const struct log_context module = {.module = "northbound"};

static uint32_t missing_of(struct directory *directory, const struct config_projects *projects)
{
    struct project_info info;
    uint32_t missing = 0;

    for (size_t i = 0; !projects->all && i < projects->count; i++)
        if (!project_find(directory, projects->names[i], &info))
            missing |= UINT32_C(1) << i;
    return missing;
}

static void tell(const struct config_consumer *config, uint32_t before, uint32_t now)
{
    char quoted[4 * CONFIG_PROJECT_SIZE];

    for (size_t i = 0; i < config->projects.count; i++) {
        uint32_t bit = UINT32_C(1) << i;
        if (((before ^ now) & bit) == 0)
            continue;
        (void)log_quote(config->projects.names[i], quoted, sizeof(quoted));
        if ((now & bit) != 0)
            log_line(LOG_WARN, &module,
                     "a project of a consumer doesn't exist: it isn't told of what should be in it",
                     "consumer=%s project=%s", config->name, quoted);
        else
            log_line(LOG_INFO, &module, "a project of a consumer exists now",
                     "consumer=%s project=%s", config->name, quoted);
    }
}

void missing_projects_look(struct northbound *northbound)
{
    for (size_t i = 0; i < northbound->consumers.account_count; i++) {
        struct consumer *consumer = &northbound->consumers.all[i];
        uint32_t before = atomic_load(&consumer->counters.missing_projects);
        uint32_t now = missing_of(northbound->directory, &consumer->config->projects);
        if (before == now)
            continue;
        atomic_store(&consumer->counters.missing_projects, now);
        tell(consumer->config, before, now);
    }
}

void missing_projects_note(struct northbound *northbound, int body, uint64_t sequence)
{
    if (body == CENC__V1__EVENT__BODY_PROJECT_ADDED ||
        body == CENC__V1__EVENT__BODY_PROJECT_CHANGED ||
        body == CENC__V1__EVENT__BODY_PROJECT_REMOVED)
        northbound->projects_changed = sequence;
}

void missing_projects_tick(struct northbound *northbound)
{
    if (northbound->projects_changed == 0 || northbound->projects_changed > northbound->told)
        return;
    northbound->projects_changed = 0;
    missing_projects_look(northbound);
}
