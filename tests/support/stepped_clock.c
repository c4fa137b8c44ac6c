/* Preloaded into a program, this lets its wall clock be stepped while it runs, without privileges.
 *
 * The file that STEPPED_CLOCK names holds a number of seconds that is added to the wall clock.
 * As in the kernel, a wait until an absolute time of the wall clock is over when that clock says
 * so, also where it was stepped meanwhile; the monotonic clock is left alone. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define STEP_NS 10000000 /* how soon a wait notices a step */

static long offset(void) {
    const char *path = getenv("STEPPED_CLOCK");
    char text[32] = "";
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return 0;
    if (read(file, text, sizeof(text) - 1) < 0)
        text[0] = 0;
    close(file);
    return atol(text);
}

static void real(clockid_t clock, struct timespec *now) {
    syscall(SYS_clock_gettime, clock, now);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    long failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && clock == CLOCK_REALTIME)
        now->tv_sec += offset();
    return (int)failed;
}

int timespec_get(struct timespec *now, int base) {
    clock_gettime(CLOCK_REALTIME, now);
    return base;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

static int is_over(const struct timespec *until) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec > until->tv_sec ||
           (now.tv_sec == until->tv_sec && now.tv_nsec >= until->tv_nsec);
}

static struct timespec soon(const struct timespec *until) {
    struct timespec then, now;
    clock_gettime(CLOCK_REALTIME, &now);
    long left = (until->tv_sec - now.tv_sec) * 1000000000L + until->tv_nsec - now.tv_nsec;
    real(CLOCK_MONOTONIC, &then);
    then.tv_nsec += left < STEP_NS ? (left > 0 ? left : 0) : STEP_NS;
    if (then.tv_nsec >= 1000000000) {
        then.tv_nsec -= 1000000000;
        then.tv_sec++;
    }
    return then;
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until) {
    for (;;) {
        struct timespec then = soon(until);
        int code = pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &then);
        if (code != ETIMEDOUT || is_over(until))
            return code;
    }
}

/* In glibc, C11's conditions and mutexes are those of POSIX. */
int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex,
                  const struct timespec *restrict until) {
    int code = pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, until);
    return code == 0 ? thrd_success : code == ETIMEDOUT ? thrd_timedout : thrd_error;
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
    for (;;) {
        struct timespec then = soon(until);
        int code = sem_clockwait(semaphore, CLOCK_MONOTONIC, &then);
        if (code == 0 || errno != ETIMEDOUT || is_over(until))
            return code;
    }
}
