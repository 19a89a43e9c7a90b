/* Random calls of every function of the C ABI, for as many rounds as asked.
 *
 *     calls --calls N [--seed S] [--threads T] [--rounds R] [--forks 0|1] [--place FOLDER] [--table]
 *     calls --plant lost|used-after-free|race
 *
 * Always: every round has a seed of its own, printed with what it finds; a round of one thread makes the same calls again from it. A
 * round ends with no handle, no file descriptor and no thread more than it began with.
 * Does not know: what answer is right, but for the collection of model.c; it knows which answers are none. */
#include "run.h"
#include <dirent.h>
#include <ftw.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#define THREADS_MAX 8
#define ROUND_CALLS 20000

int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

struct entry table[FUNCTION_COUNT] = {
#define X(name, weight) {"entidb_" #name, run_##name, weight, {0}, 0, 0},
    FUNCTIONS(X)
#undef X
};

uint64_t round_seed;
atomic_int findings;
static int weights, threads_asked, with_forks;
static uint64_t calls_of_round;
static char start[4096];

uint64_t next(struct worker *w) {
    w->random += 0x9e3779b97f4a7c15ull;
    uint64_t z = w->random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/* Writes down what should not be, once for each function and kind, and goes on: one run finds many. */
void found(struct worker *w, const char *format, ...) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct {
        int function;
        const char *format;
        unsigned times;
    } known[256];
    int function = w == NULL ? 0 : atomic_load_explicit(&w->running, memory_order_relaxed);
    pthread_mutex_lock(&lock);
    int at = 0;
    while (at < 255 && known[at].format != NULL && (known[at].format != format || known[at].function != function)) at++;
    known[at].function = function;
    known[at].format = format;
    atomic_fetch_add(&findings, 1);
    if (known[at].times++ < 6) {
        va_list rest;
        va_start(rest, format);
        printf("FOUND: %s: ", w == NULL ? "calls" : table[function].name);
        vprintf(format, rest);
        printf("\n  replay: ENTIDB_SEED=%llu cargo xtask test --only calls (worker %d, call %llu)\n", (unsigned long long)round_seed, w == NULL ? 0 : w->index,
               w == NULL ? 0ull : (unsigned long long)w->calls);
        fflush(stdout);
        va_end(rest);
    }
    pthread_mutex_unlock(&lock);
}

static int count_of(const char *folder) {
    DIR *open = opendir(folder);
    int count = 0;
    if (open == NULL) return -1;
    while (readdir(open) != NULL) count++;
    closedir(open);
    return count;
}

static void step(struct worker *w) {
    if (w->model != NULL && rarely(w, 12)) {
        model_step(w);
    } else {
        int at = (int)below(w, (uint64_t)weights);
        int function = 0;
        while (at >= table[function].weight) at -= table[function++].weight;
        table[function].run(w);
    }
    /* A write transaction that nobody ends keeps everybody waiting. */
    if (rarely(w, 40)) discard(w, TRANSACTION);
    if (with_forks && rarely(w, 12000)) fork_and_look(w);
    release_arguments(w);
}

static void *work(void *argument_of_thread) {
    struct worker *w = argument_of_thread;
    run_database_open_memory(w);
    run_database_open(w);
    while (w->calls < calls_of_round) step(w);
    entidb_interrupt_set(NULL, NULL);
    w->armed = 0;
    leave_all_tokens(w);
    let_all_go(w);
    release_arguments(w);
    free_kept(w);
    return NULL;
}

/* Ends the program when a thread stays in one call. */
struct watch {
    struct worker *workers;
    int threads;
    atomic_int over;
};

static void *watch(void *argument_of_thread) {
    struct watch *watch = argument_of_thread;
    unsigned long long seen[THREADS_MAX] = {0};
    int still[THREADS_MAX] = {0};
    while (!atomic_load(&watch->over)) {
        usleep(50000);
        for (int i = 0; i < watch->threads; i++) {
            unsigned long long now = atomic_load_explicit(&watch->workers[i].progress, memory_order_relaxed);
            still[i] = now == seen[i] && now < calls_of_round ? still[i] + 1 : 0;
            seen[i] = now;
            if (still[i] > 20 * 120) {
                for (int j = 0; j < watch->threads; j++)
                    printf("  worker %d: call %llu, %s\n", j, (unsigned long long)watch->workers[j].progress,
                           table[atomic_load(&watch->workers[j].running)].name);
                printf("FOUND: worker %d is in one call for two minutes\n  replay: ENTIDB_SEED=%llu cargo xtask test --only calls\n", i, (unsigned long long)round_seed);
                fflush(stdout);
                abort();
            }
        }
    }
    return NULL;
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *walk) {
    (void)stat, (void)kind, (void)walk;
    return remove(path);
}

static uint64_t round_of(uint64_t seed) {
    struct worker setting = {.random = seed};
    static struct worker workers[THREADS_MAX];
    pthread_t threads[THREADS_MAX], watcher;
    static const int usual[] = {1, 1, 2, 2, 3, 4};
    int count = threads_asked > 0 ? threads_asked : usual[below(&setting, 6)];
    char folder[] = "round.XXXXXX";
    uint64_t calls = 0;
    round_seed = seed;
    if (mkdtemp(folder) == NULL || chdir(folder) != 0) {
        perror("round");
        exit(2);
    }
    FILE *file = fopen("file", "w");
    if (file != NULL) fclose(file);
    memset(workers, 0, sizeof workers);
    for (int i = 0; i < count; i++) {
        workers[i].index = i;
        workers[i].random = seed * 31 + (uint64_t)i * 0x5851f42d4c957f2dull + 1;
    }
    workers[0].model = model_new(&workers[0], !rarely(&setting, 3));
    struct watch watching = {workers, count, 0};
    pthread_create(&watcher, NULL, watch, &watching);
    for (int i = 1; i < count; i++) pthread_create(&threads[i], NULL, work, &workers[i]);
    if (count == 1) {
        work(&workers[0]);
    } else {
        pthread_create(&threads[0], NULL, work, &workers[0]);
        for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
    }
    atomic_store(&watching.over, 1);
    pthread_join(watcher, NULL);
    let_shared_go(&workers[0]);
    model_end(&workers[0]);
    release_arguments(&workers[0]);
    for (int i = 0; i < count; i++) calls += workers[i].calls;
    if (chdir("..") != 0) exit(2);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return calls;
}

static void print_table(void) {
    for (int i = 0; i < FUNCTION_COUNT; i++)
        printf("%-40s %9llu calls %9llu succeeded\n", table[i].name, (unsigned long long)table[i].calls, (unsigned long long)table[i].successes);
}

int main(int count, char **given) {
    uint64_t seed = (uint64_t)time(NULL), calls_wanted = 200000, rounds_wanted = UINT64_MAX, calls = 0, rounds = 0;
    const char *folder = "/dev/shm", *header = "include/entidb.h";
    int with_table = 0;
    calls_of_round = ROUND_CALLS;
    for (int i = 1; i < count; i++) {
        const char *value = i + 1 < count ? given[i + 1] : "";
        if (strcmp(given[i], "--table") == 0) {
            with_table = 1;
            continue;
        }
        if (strcmp(given[i], "--seed") == 0) seed = strtoull(value, NULL, 10);
        else if (strcmp(given[i], "--calls") == 0) calls_wanted = strtoull(value, NULL, 10);
        else if (strcmp(given[i], "--rounds") == 0) rounds_wanted = strtoull(value, NULL, 10);
        else if (strcmp(given[i], "--threads") == 0) threads_asked = atoi(value);
        else if (strcmp(given[i], "--forks") == 0) with_forks = atoi(value);
        else if (strcmp(given[i], "--place") == 0) folder = value;
        else if (strcmp(given[i], "--header") == 0) header = value;
        else if (strcmp(given[i], "--plant") == 0) return plant(value);
        else {
            printf("calls: there is no option %s\n", given[i]);
            return 2;
        }
        i++;
    }
    if (threads_asked > THREADS_MAX) threads_asked = THREADS_MAX;
    if (!read_header(header)) return 1;
    snprintf(start, sizeof start, "%s/entidb-calls.XXXXXX", folder);
    if (mkdtemp(start) == NULL || chdir(start) != 0) {
        perror(start);
        return 2;
    }
    for (int i = 0; i < FUNCTION_COUNT; i++) weights += table[i].weight;
    printf("calls: seed %llu, %llu calls\n", (unsigned long long)seed, (unsigned long long)calls_wanted);
    fflush(stdout);
    struct timespec began, ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    int descriptors = 0, threads = 0;
    while (calls < calls_wanted && rounds < rounds_wanted) {
        /* The first round has the seed itself, so that the seed of any round replays it. */
        calls += round_of(seed + rounds * 0x1000003ull);
        rounds++;
        int descriptors_now = 0, threads_now = 0;
        for (int tries = 0; tries < 60; tries++) {
            descriptors_now = count_of("/proc/self/fd");
            threads_now = count_of("/proc/self/task");
            if (rounds == 1 || (descriptors_now <= descriptors && threads_now <= threads)) break;
            usleep(50000);
        }
        if (rounds == 1) {
            usleep(200000);
            descriptors = count_of("/proc/self/fd");
            threads = count_of("/proc/self/task");
        }
        if (descriptors_now > descriptors) found(NULL, "%d descriptors more than at the beginning", descriptors_now - descriptors);
        if (threads_now > threads) found(NULL, "%d threads more than at the beginning", threads_now - threads);
        if (rounds % 10 == 0 && __lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check() != 0) found(NULL, "memory is lost");
        if (rounds % 25 == 0) {
            clock_gettime(CLOCK_MONOTONIC, &ended);
            printf("calls: %llu in %lld s, %d findings\n", (unsigned long long)calls, (long long)(ended.tv_sec - began.tv_sec), findings);
            fflush(stdout);
        }
    }
    if (chdir("/") != 0) return 2;
    nftw(start, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    if (with_table) print_table();
    for (int i = 0; i < FUNCTION_COUNT && calls >= 100000; i++)
        if (table[i].successes == 0) printf("FOUND: %s never succeeded\n", table[i].name), findings++;
    printf("calls: %llu in %llu rounds and %lld s, %d findings, seed %llu\n", (unsigned long long)calls, (unsigned long long)rounds,
           (long long)(ended.tv_sec - began.tv_sec), findings, (unsigned long long)seed);
    return findings == 0 ? 0 : 1;
}
