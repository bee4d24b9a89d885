/* What is not on the list is answered with ENOSYS: the call does not exist.
 *
 * Not by killing: the lists were made with one libc, and the next one asks for something new in the
 * one function that is called once a week. A gateway that is killed there loses every request under
 * way, again and again; one whose libc is told "no such call" takes the older way, which every libc
 * has for older kernels. (EPERM is taken for a verdict and not for a reason to try another way;
 * clone3(), whose flags a filter cannot see, is the best known example.) An intruder may go on
 * trying either way, without having what is tried for. Nor is it logged: a refused call that can be
 * repeated a million times a second would be a way to fill the log; `log` is for looking.
 *
 * The threads' list is short where it matters: execve, fork, opening for writing, ptrace, mount,
 * bpf, io_uring, raw sockets and memory that is writable and executable are not on it. Looking
 * names up is: the libc reads files and opens sockets for it, in a thread of ours, and may
 * load a library.
 *
 * With an embedded Redis the main thread must be able to start it again, so its list has execve and
 * all that a redis-server does. Threads lay the narrow list over that. They share the main thread's
 * memory, so who controls one of them completely can get at the other's rights; an installation for
 * which this matters gives Purgeway a broker of its own and has the narrow list everywhere.
 */
#include "role/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/str.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static const char serving[] =
    /* reading, writing, waiting */
    "read readv pread64 write writev close lseek fcntl ioctl dup pipe2 poll ppoll select "
    "pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 "
    "eventfd2 signalfd4 timerfd_create timerfd_settime timerfd_gettime "
    /* looking at files */
    "stat fstat lstat newfstatat statx access faccessat faccessat2 readlink readlinkat "
    "getdents64 getcwd fstatfs fadvise64 umask "
    /* sockets; their families are looked at below */
    "connect accept accept4 bind shutdown sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg "
    "getsockname getpeername getsockopt setsockopt socketpair "
    /* memory; what is both written and run is looked at below */
    "munmap mremap madvise brk mincore mlock munlock membarrier "
    /* threads */
    "futex futex_waitv set_robust_list get_robust_list rseq set_tid_address sched_yield "
    "sched_getaffinity sched_getparam sched_getscheduler sched_setscheduler setpriority "
    "sigaltstack "
    "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigtimedwait rt_sigsuspend tgkill "
    "restart_syscall exit exit_group arch_prctl getcpu "
    /* time, chance, and who we are */
    "clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time getrandom "
    "getpid gettid getppid getuid geteuid getgid getegid getgroups uname sysinfo getrusage "
    "times getrlimit "
    /* the narrower list is laid over this one by a thread that begins */
    "seccomp";

/* Starting a redis-server (role/redis_server.c), ending it, and what it does: it keeps files, forks
 * to rewrite them, and looks at its machine. */
static const char embedding[] =
    "execve clone fork vfork wait4 waitid kill setpgid getpgid getpgrp setsid prctl "
    "pidfd_open pidfd_send_signal close_range dup2 dup3 pipe open openat creat rename "
    "renameat renameat2 unlink unlinkat link linkat mkdir mkdirat rmdir chdir fchdir chmod "
    "fchmod fchmodat utimensat flock ftruncate truncate fallocate fsync fdatasync "
    "sync_file_range statfs pwrite64 pwritev preadv sendfile copy_file_range listen "
    "prlimit64 setrlimit setitimer getitimer alarm pause sched_setaffinity "
    "getpriority ioprio_set getdents readahead msync mbind get_mempolicy rt_sigpending "
    "rt_sigqueueinfo "
    /* the end of the start, which can only take away (role/privileges.c) */
    "capget capset getresuid getresgid setresuid setresgid setgroups";

/* LeakSanitizer stops the other threads through a process that traces them; reports are written by
 * programs that find the lines of the source. */
static const char sanitizing[] =
    "clone fork vfork execve wait4 waitid kill ptrace prctl open openat process_vm_readv "
    "prlimit64 personality dup2 pipe mmap mprotect unlink statfs close_range getdents";

/* Names are resolved by the library: calls that this machine has not are none to allow. */
static int allow(scmp_filter_ctx filter, const char *names)
{
        struct pgw_str rest = pgw_str_z(names), name;
        char call[32];
        int rc = 0;

        while (rest.n && !rc) {
                if (!pgw_str_cut(rest, ' ', &name, &rest)) {
                        name = rest;
                        rest.n = 0;
                }
                PGW_ASSERT(name.n < sizeof call);
                memcpy(call, name.p, name.n);
                call[name.n] = '\0';
                const int number = seccomp_syscall_resolve_name(call);
                PGW_ASSERT(number != __NR_SCMP_ERROR);
                rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
        }
        return rc;
}

/* One argument of a call, as (argument & mask) == value; another rule for the same call is "or". */
static int allow_when(scmp_filter_ctx filter, int call, unsigned argument, scmp_datum_t mask,
                      scmp_datum_t value)
{
        return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
                                SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, mask, value));
}

static int allow_sockets(scmp_filter_ctx filter)
{
        /* The libc asks over netlink which addresses this machine has, before it looks one up. */
        static const struct {
                scmp_datum_t family, type;
        } kinds[] = {{AF_UNIX, SOCK_STREAM}, {AF_UNIX, SOCK_DGRAM},   {AF_INET, SOCK_STREAM},
                     {AF_INET, SOCK_DGRAM},  {AF_INET6, SOCK_STREAM}, {AF_INET6, SOCK_DGRAM},
                     {AF_NETLINK, SOCK_RAW}};
        int rc = 0;

        for (size_t i = 0; i < COUNT(kinds) && !rc; i++)
                rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
                                      SCMP_CMP(0, SCMP_CMP_EQ, kinds[i].family),
                                      SCMP_CMP(1, SCMP_CMP_MASKED_EQ, 0xf, kinds[i].type));
        return rc;
}

/* Memory is written or run, never both; a page does not become one that is run. */
static int allow_memory(scmp_filter_ctx filter)
{
        int rc = allow_when(filter, SCMP_SYS(mmap), 2, PROT_EXEC, 0);

        if (!rc)
                rc = allow_when(filter, SCMP_SYS(mmap), 2, PROT_WRITE, 0);
        return rc ? rc : allow_when(filter, SCMP_SYS(mprotect), 2, PROT_EXEC, 0);
}

static int allow_reading(scmp_filter_ctx filter)
{
        const scmp_datum_t writing = O_ACCMODE | O_CREAT | O_TRUNC;
        int rc = allow_when(filter, SCMP_SYS(openat), 2, writing, O_RDONLY);

        return rc ? rc : allow_when(filter, SCMP_SYS(open), 1, writing, O_RDONLY);
}

static int allow_threads(scmp_filter_ctx filter)
{
        static const int names[] = {PR_SET_NAME, PR_GET_NAME, PR_SET_DUMPABLE, PR_SET_VMA};
        /* A process of its own has no CLONE_THREAD; clone3() hides its flags from us. */
        int rc = allow_when(filter, SCMP_SYS(clone), 0, CLONE_THREAD, CLONE_THREAD);

        for (size_t i = 0; i < COUNT(names) && !rc; i++)
                rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
                                      SCMP_CMP(0, SCMP_CMP_EQ, (scmp_datum_t)names[i]));
        /* Reading a limit and not setting one. */
        return rc ? rc
                  : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
                                     SCMP_CMP(2, SCMP_CMP_EQ, 0));
}

static int fill(scmp_filter_ctx filter, bool has_embedded)
{
        int rc = allow(filter, serving);

        if (!rc)
                rc = allow_sockets(filter);
        if (!rc)
                rc = allow_memory(filter);
        if (!rc && has_embedded)
                rc = allow(filter, embedding);
        if (!rc && !has_embedded)
                rc = allow_reading(filter);
        if (!rc && !has_embedded)
                rc = allow_threads(filter);
        if (!rc && IS_SANITIZED)
                rc = allow(filter, sanitizing);
        return rc;
}

static enum pgw_err load(enum pgw_seccomp mode, bool has_embedded, bool for_all,
                         struct pgw_fault *fault)
{
        if (mode == PGW_SECCOMP_OFF)
                return PGW_OK;
        scmp_filter_ctx filter =
            seccomp_init(mode == PGW_SECCOMP_ON ? SCMP_ACT_ERRNO(ENOSYS) : SCMP_ACT_LOG);
        if (!filter)
                pgw_panic("no memory for a system call filter");
        /* Who may not load it has been told so by PR_SET_NO_NEW_PRIVS, which is not ours to set. */
        int rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
        if (!rc)
                rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, for_all);
        /* A tree instead of a chain: as many steps for the last call as for the first. */
        if (!rc)
                rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        if (!rc)
                rc = fill(filter, has_embedded);
        if (!rc)
                rc = seccomp_load(filter);
        seccomp_release(filter);
        if (!rc)
                return PGW_OK;
        pgw_fault_set(fault, "seccomp", "%s", strerrordesc_np(-rc));
        return PGW_E_SYSTEM;
}

enum pgw_err pgw_seccomp_process(enum pgw_seccomp mode, bool has_embedded, struct pgw_fault *fault)
{
        return load(mode, has_embedded, true, fault);
}

enum pgw_err pgw_seccomp_thread(enum pgw_seccomp mode, struct pgw_fault *fault)
{
        return load(mode, false, false, fault);
}
