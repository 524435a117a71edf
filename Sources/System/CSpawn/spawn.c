#define _GNU_SOURCE
#include "CSpawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

// The child shares the caller's memory until it has become the other program (vfork), as with posix_spawn: a process
// that holds a large model is not copied. It may only call functions that a signal handler may call.
static _Noreturn void become(
    const char *path, char *const arguments[], char *const environment[], const int streams[3], uint64_t most_bytes,
    pid_t parent, const sigset_t *mask, volatile int *failure) {
    int moved[3];
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++)
        if (number != SIGKILL && number != SIGSTOP) sigaction(number, &standard, NULL);
    // Beyond the limit writing fails with EFBIG, and the program reports it.
    struct sigaction ignored = {.sa_handler = SIG_IGN};
    sigaction(SIGXFSZ, &ignored, NULL);
    setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) goto failed;
    // The caller may have ended before the line above.
    if (getppid() != parent) _exit(127);
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && (uint64_t)limit.rlim_cur > most_bytes) {
        limit.rlim_cur = (rlim_t)most_bytes;
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    // One of the three may have the number that another one is to get.
    for (int i = 0; i < 3; i++)
        if ((moved[i] = fcntl(streams[i], F_DUPFD_CLOEXEC, 3)) < 0) goto failed;
    for (int i = 0; i < 3; i++)
        if (dup2(moved[i], i) < 0) goto failed;
    close_range(3, ~0U, 0);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execve(path, arguments, environment);
failed:
    *failure = errno;
    _exit(127);
}

int cspawn_bound(
    const char *path, char *const arguments[], char *const environment[], int input, int output, int messages,
    uint64_t most_bytes, pid_t *process) {
    const int streams[3] = {input, output, messages};
    const pid_t parent = getpid();
    volatile int failure = 0;
    sigset_t all, before;
    // The caller's signal handlers must not run in the child.
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t child = vfork();
    if (child == 0) become(path, arguments, environment, streams, most_bytes, parent, &before, &failure);
    const int refused = child < 0 ? errno : 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (refused != 0) return refused;
    if (failure != 0) {
        int status;
        while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
        return failure;
    }
    *process = child;
    return 0;
}

int cspawn_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC) == 0 ? 0 : errno; }
