//! Docker's default system call policy, as data: everything not named here fails with `EPERM`.
//!
//! What the kernel guards by a capability is allowed with that capability. Names of calls that a machine does not
//! have are left out by the runtime.

/// A rule: the calls `names` do what `action` says, under all of the conditions.
pub(super) struct Rule {
    /// Separated by blanks.
    pub names: &'static str,
    /// Allow, or fail with this number.
    pub errno: Option<u32>,
    /// One argument's condition.
    pub argument: Option<Argument>,
    /// Only with this capability.
    pub with: Option<&'static str>,
    /// Only without it.
    pub without: Option<&'static str>,
    /// Only on these machines; empty is all.
    pub only_on: &'static [&'static str],
    /// Not on these.
    pub not_on: &'static [&'static str],
}

/// A condition on an argument.
#[derive(Clone, Copy)]
pub(super) enum Argument {
    Equal(usize, u64),
    Less(usize, u64),
    /// None of these bits.
    NoneOf(usize, u64),
}

const ALLOW: Rule = Rule {
    names: "",
    errno: None,
    argument: None,
    with: None,
    without: None,
    only_on: &[],
    not_on: &[],
};

const fn allow(names: &'static str) -> Rule {
    Rule { names, ..ALLOW }
}

const fn with(capability: &'static str, names: &'static str) -> Rule {
    Rule {
        names,
        with: Some(capability),
        ..ALLOW
    }
}

const fn on(machines: &'static [&'static str], names: &'static str) -> Rule {
    Rule {
        names,
        only_on: machines,
        ..ALLOW
    }
}

const fn when(argument: Argument, names: &'static str) -> Rule {
    Rule {
        names,
        argument: Some(argument),
        ..ALLOW
    }
}

/// `CLONE_NEW*`: no namespaces without `CAP_SYS_ADMIN`.
const NAMESPACES: u64 = 0x7E02_0000;
const S390: &[&str] = &["s390", "s390x"];
const ENOSYS: u32 = 38;

/// Address families above the first twelve that may be used: no vsock (40), no kernel crypto (38), nothing obscure.
pub(super) const FAMILIES: [u64; 25] = [
    13, 14, 15, 16, 17, 18, 21, 22, 24, 26, 27, 28, 29, 30, 31, 32, 33, 35, 36, 39, 41, 42, 43, 44,
    45,
];

/// Values of `personality` that do no harm: Linux, Linux32, with and without `UNAME26`, and asking.
pub(super) const PERSONALITIES: [u64; 5] = [0, 8, 0x2_0000, 0x2_0008, 0xFFFF_FFFF];

pub(super) const RULES: &[Rule] = &[
    // Files
    allow(
        "access cachestat chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat \
         faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 \
         fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fremovexattr fsetxattr fstat fstat64 fstatat64 \
         fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64 getxattr getxattrat \
         inotify_add_watch inotify_init inotify_init1 inotify_rm_watch ioctl lchown lchown32 lgetxattr link linkat \
         listmount listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 mkdir mkdirat \
         mknod mknodat name_to_handle_at newfstatat open openat openat2 pipe pipe2 pread64 preadv preadv2 pwrite64 \
         pwritev pwritev2 read readahead readlink readlinkat readv removexattr removexattrat rename renameat \
         renameat2 rmdir sendfile sendfile64 setxattr setxattrat splice stat stat64 statfs statfs64 statmount statx \
         symlink symlinkat sync sync_file_range syncfs tee truncate truncate64 umask unlink unlinkat utime utimensat \
         utimensat_time64 utimes vmsplice write writev",
    ),
    // Waiting for something
    allow(
        "epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old \
         eventfd eventfd2 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake io_cancel io_destroy \
         io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit _newselect pause poll ppoll ppoll_time64 \
         pselect6 pselect6_time64 select",
    ),
    // Memory
    allow(
        "brk get_thread_area madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 \
         mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect \
         process_mrelease remap_file_pages set_thread_area",
    ),
    // Processes and threads
    allow(
        "capget capset execve execveat exit exit_group fork getcpu getpgid getpgrp getpid getppid getpriority \
         get_robust_list getrlimit getrusage getsid gettid ioprio_get ioprio_set kill landlock_add_rule \
         landlock_create_ruleset landlock_restrict_self pidfd_open pidfd_send_signal prctl prlimit64 restart_syscall \
         rseq sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min \
         sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr \
         sched_setparam sched_setscheduler sched_yield seccomp setpgid setpriority setrlimit set_robust_list setsid \
         set_tid_address sysinfo tgkill times tkill ugetrlimit uname uretprobe vfork wait4 waitid waitpid",
    ),
    // Users and groups
    allow(
        "getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid getresgid32 getresuid \
         getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 \
         setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32",
    ),
    // Signals and time
    allow(
        "adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 \
         clock_nanosleep clock_nanosleep_time64 getitimer getrandom gettimeofday nanosleep rt_sigaction rt_sigpending \
         rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 \
         rt_tgsigqueueinfo setitimer sigaltstack signalfd signalfd4 sigprocmask sigreturn time timer_create \
         timer_delete timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 \
         timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64",
    ),
    // Sockets and IPC
    allow(
        "accept accept4 bind connect getpeername getsockname getsockopt ipc listen mq_getsetattr mq_notify mq_open \
         mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd \
         recv recvfrom recvmmsg recvmmsg_time64 recvmsg semctl semget semop semtimedop semtimedop_time64 send sendmmsg \
         sendmsg sendto setsockopt shmat shmctl shmdt shmget shutdown socketcall socketpair",
    ),
    // Since Linux 4.8 these respect the filter themselves; older kernels can't run this engine.
    allow("process_vm_readv process_vm_writev ptrace"),
    when(Argument::Less(0, 12), "socket"),
    // Machines
    on(&["ppc64le"], "sync_file_range2 swapcontext"),
    on(
        &["arm", "arm64"],
        "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls",
    ),
    on(&["amd64", "x32"], "arch_prctl"),
    on(&["amd64", "x32", "x86"], "modify_ldt"),
    on(
        S390,
        "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr",
    ),
    on(&["riscv64"], "riscv_flush_icache riscv_hwprobe"),
    // Capabilities
    with("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
    with(
        "CAP_SYS_ADMIN",
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr \
         lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl \
         quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare",
    ),
    Rule {
        names: "clone",
        argument: Some(Argument::NoneOf(0, NAMESPACES)),
        without: Some("CAP_SYS_ADMIN"),
        not_on: S390,
        ..ALLOW
    },
    // Its arguments come in another order there.
    Rule {
        names: "clone",
        argument: Some(Argument::NoneOf(1, NAMESPACES)),
        without: Some("CAP_SYS_ADMIN"),
        only_on: S390,
        ..ALLOW
    },
    // Its flags are in memory, which a filter can't see; C libraries fall back to `clone`.
    Rule {
        names: "clone3",
        errno: Some(ENOSYS),
        without: Some("CAP_SYS_ADMIN"),
        ..ALLOW
    },
    with("CAP_SYS_BOOT", "reboot"),
    with("CAP_SYS_CHROOT", "chroot"),
    with("CAP_SYS_MODULE", "delete_module init_module finit_module"),
    with("CAP_SYS_PACCT", "acct"),
    with("CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise"),
    with("CAP_SYS_RAWIO", "iopl ioperm"),
    with(
        "CAP_SYS_TIME",
        "settimeofday stime clock_settime clock_settime64",
    ),
    with("CAP_SYS_TTY_CONFIG", "vhangup"),
    with(
        "CAP_SYS_NICE",
        "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    ),
    with("CAP_SYSLOG", "syslog"),
    with("CAP_BPF", "bpf"),
    with("CAP_PERFMON", "perf_event_open"),
];
