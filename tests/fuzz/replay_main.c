/* Runs a fuzz target without libFuzzer: every file of a corpus folder, then seeded mutations of
 * them, so that an ordinary test run repeats what fuzzing has found. The mutations are the same in
 * every run; before each input is tried it is kept in memory, and a crash prints it in hex.
 *
 * usage: test-fuzz-<name> CORPUS_FOLDER|FILE... */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server/base/check.h"
#include "tests/fuzz/fuzz.h"

#define MAX_INPUTS     4096u
#define MAX_INPUT_SIZE 65536u
#define MUTATIONS      20000u
#define MAX_SECONDS    10

struct input {
    uint8_t *data;
    size_t size;
};

static struct input inputs[MAX_INPUTS];
static size_t input_count;

static uint8_t current[MAX_INPUT_SIZE];
static size_t current_size;

static uint64_t random_state = 0x9e3779b97f4a7c15u;

/* xorshift64: small, and the same everywhere */
static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static size_t random_below(size_t limit)
{
    return limit == 0 ? 0 : (size_t)(next_random() % limit);
}

/* There only in sanitizer builds, whose own report of a crash must not be taken away. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

/* Only write(2) here: it is called from a signal handler. */
static void print_current(void)
{
    static const char digits[] = "0123456789abcdef";
    static const char title[] = "\ninput that failed, in hex:\n";

    (void)!write(STDERR_FILENO, title, sizeof(title) - 1);
    for (size_t i = 0; i < current_size; i++) {
        const char pair[2] = {digits[current[i] >> 4], digits[current[i] & 15]};
        (void)!write(STDERR_FILENO, pair, sizeof(pair));
    }
    (void)!write(STDERR_FILENO, "\n", 1);
}

static void on_signal(int signal_number)
{
    print_current();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void catch_crashes(void)
{
    signal(SIGABRT, on_signal);
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(print_current);
    else
        signal(SIGSEGV, on_signal);
}

/* The target gets a block of exactly the input's size, so that a sanitizer sees any overrun. */
static void run_current(void)
{
    uint8_t *exact = malloc(current_size > 0 ? current_size : 1);

    CHECK(exact != NULL);
    memcpy(exact, current, current_size);
    CHECK(LLVMFuzzerTestOneInput(exact, current_size) == 0);
    free(exact);
}

static void load_file(const char *path)
{
    FILE *file = fopen(path, "rb");

    if (file == NULL) {
        perror(path);
        exit(2);
    }
    current_size = fread(current, 1, sizeof(current), file);
    CHECK(fclose(file) == 0);
    CHECK(input_count < MAX_INPUTS);

    uint8_t *data = malloc(current_size > 0 ? current_size : 1);
    CHECK(data != NULL);
    memcpy(data, current, current_size);
    inputs[input_count++] = (struct input){.data = data, .size = current_size};
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void load_folder(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, is_visible, alphasort);

    if (count < 0) {
        perror(path);
        exit(2);
    }
    for (int i = 0; i < count; i++) {
        char file[4096];

        CHECK(snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name) < (int)sizeof(file));
        load_file(file);
        free(entries[i]);
    }
    free(entries);
}

/* Takes size bytes out of current at an offset. */
static void cut(size_t offset, size_t size)
{
    memmove(current + offset, current + offset + size, current_size - offset - size);
    current_size -= size;
}

/* Puts a piece of another input into current at an offset. */
static void splice(size_t offset)
{
    const struct input *other = &inputs[random_below(input_count)];
    size_t from = random_below(other->size);
    size_t size = random_below(other->size - from + 1);

    if (size > MAX_INPUT_SIZE - current_size)
        size = MAX_INPUT_SIZE - current_size;
    memmove(current + offset + size, current + offset, current_size - offset);
    memcpy(current + offset, other->data + from, size);
    current_size += size;
}

static void mutate_once(void)
{
    static const uint8_t interesting[] = {0x00, 0x01, 0x7e, 0x7f, 0x80, 0xc0, 0xdb, 0xff};
    size_t offset = random_below(current_size);

    switch (random_below(6)) {
    case 0:
        if (current_size > 0)
            current[offset] ^= (uint8_t)(1u << random_below(8));
        break;
    case 1:
        if (current_size > 0)
            current[offset] = (uint8_t)next_random();
        break;
    case 2:
        if (current_size > 0)
            current[offset] = interesting[random_below(sizeof(interesting))];
        break;
    case 3:
        cut(offset, random_below(current_size - offset + 1));
        break;
    case 4:
        current_size = random_below(current_size + 1);
        break;
    default:
        splice(offset);
        break;
    }
}

static unsigned run_mutations(void)
{
    const time_t end = time(NULL) + MAX_SECONDS;
    unsigned done = 0;

    while (done < MUTATIONS && time(NULL) < end) {
        const struct input *from = &inputs[random_below(input_count)];

        memcpy(current, from->data, from->size);
        current_size = from->size;
        for (size_t rounds = 1 + random_below(4); rounds > 0; rounds--)
            mutate_once();
        run_current();
        done++;
    }
    return done;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct stat status;

        if (stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode))
            load_folder(argv[i]);
        else
            load_file(argv[i]);
    }
    if (input_count == 0) {
        fputs("no input: give corpus folders or files\n", stderr);
        return 2;
    }
    catch_crashes();
    for (size_t i = 0; i < input_count; i++) {
        memcpy(current, inputs[i].data, inputs[i].size);
        current_size = inputs[i].size;
        run_current();
    }
    unsigned mutations = run_mutations();
    printf("%zu inputs, %u mutations\n", input_count, mutations);
    for (size_t i = 0; i < input_count; i++)
        free(inputs[i].data);
    return 0;
}
