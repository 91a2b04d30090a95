#include "base/process/process.hpp"

#include "base/error/error.hpp"
#include "base/fs/file.hpp"
#include "base/process/proc_stat.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace llmm {
namespace {

// The declaration in <sys/pidfd.h> of glibc 2.36 lacks extern "C".
int open_pidfd(pid_t pid) {
    return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

enum class Look { running, ended, not_a_child };

// WNOWAIT in extra_flags leaves an ended child unreaped.
Look look_at_child(int pidfd, siginfo_t& info, int extra_flags) {
    info.si_pid = 0;
    if (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG | extra_flags) != 0)
        return Look::not_a_child;
    return info.si_pid == 0 ? Look::running : Look::ended;
}

bool is_readable(int fd) {
    pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&entry, 1, 0) == 1;
}

ExitStatus status_from(const siginfo_t& info) {
    if (info.si_code == CLD_EXITED) return {.code = info.si_status, .signal = std::nullopt};
    return {.code = std::nullopt, .signal = info.si_status};
}

// The settings of posix_spawn, which in glibc shares the parent's memory like vfork: starting takes the same
// time however much this program has mapped, and no other thread can hold a lock that the child needs.
class SpawnSettings {
  public:
    SpawnSettings(const std::filesystem::path& directory, int input, int output) {
        ::posix_spawn_file_actions_init(&actions_);
        ::posix_spawnattr_init(&attributes_);
        check(::posix_spawn_file_actions_adddup2(&actions_, input, STDIN_FILENO));
        check(::posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO));
        check(::posix_spawn_file_actions_adddup2(&actions_, output, STDERR_FILENO));
        check(::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1));
        check(::posix_spawn_file_actions_addchdir_np(&actions_, directory.c_str()));
        sigset_t none, all;
        ::sigemptyset(&none);
        ::sigfillset(&all);
        check(::posix_spawnattr_setsigmask(&attributes_, &none));
        check(::posix_spawnattr_setsigdefault(&attributes_, &all));
        check(::posix_spawnattr_setflags(&attributes_,
                                         POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
    }
    SpawnSettings(const SpawnSettings&) = delete;
    SpawnSettings& operator=(const SpawnSettings&) = delete;
    ~SpawnSettings() {
        ::posix_spawn_file_actions_destroy(&actions_);
        ::posix_spawnattr_destroy(&attributes_);
    }

    const posix_spawn_file_actions_t* actions() const { return &actions_; }
    const posix_spawnattr_t* attributes() const { return &attributes_; }

  private:
    static void check(int error) {
        if (error != 0) throw_errno("posix_spawn settings", error);
    }

    posix_spawn_file_actions_t actions_;
    posix_spawnattr_t attributes_;
};

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    for (std::string& text : texts)
        pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
}

[[noreturn]] void throw_not_started(const ProcessSpec& spec, std::string_view step, int error) {
    throw Error(ErrorCode::engine_unavailable,
                Text{"the program can't be started: it is missing, not executable, or built for another machine",
                     "无法启动该程序：文件不存在、不可执行，或是为其他机器编译的"})
        .with_log_note(fmt::format("{} {}: {}", step, spec.program.native(), ::strerrordesc_np(error)));
}

bool has_nul(const std::string& text) {
    return text.find('\0') != std::string::npos;
}

// A crash must not fill the disk with the model's memory, nor an engine take every descriptor of the machine. Set from
// outside because posix_spawn can't: the program has hardly begun.
void limit(pid_t pid) {
    constexpr rlimit kNoCore{.rlim_cur = 0, .rlim_max = 0};
    constexpr rlimit kDescriptors{.rlim_cur = 65'536, .rlim_max = 65'536};
    ::prlimit(pid, RLIMIT_CORE, &kNoCore, nullptr);
    rlimit now{};
    if (::prlimit(pid, RLIMIT_NOFILE, nullptr, &now) == 0 && now.rlim_max > kDescriptors.rlim_max)
        ::prlimit(pid, RLIMIT_NOFILE, &kDescriptors, nullptr);
}

pid_t spawn(const ProcessSpec& spec) {
    std::vector<std::string> arguments{spec.program.native()};
    arguments.insert(arguments.end(), spec.arguments.begin(), spec.arguments.end());
    std::vector<std::string> environment;
    for (const auto& [name, value] : spec.environment)
        environment.push_back(name + "=" + value);
    // A NUL would end the text early: the program would see something other than what was checked.
    if (std::ranges::any_of(arguments, has_nul) || std::ranges::any_of(environment, has_nul)) {
        throw_not_started(spec, "NUL byte for", EINVAL);
    }

    const UniqueFd input(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!input) throw_errno("open /dev/null", errno);
    const UniqueFd output(::open(spec.output.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600));
    if (!output) throw_errno("open " + spec.output.native(), errno);
    const SpawnSettings settings(spec.working_directory, input.get(), output.get());
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, spec.program.c_str(), settings.actions(), settings.attributes(),
                                    pointers_to(arguments).data(), pointers_to(environment).data());
    if (error != 0) throw_not_started(spec, "spawn", error);
    limit(pid);
    return pid;
}

}  // namespace

std::string ExitStatus::to_string() const {
    if (code) return fmt::format("exit code {}", *code);
    if (!signal) return "ended";
    const char* name = ::sigdescr_np(*signal);
    return fmt::format("signal {} ({})", *signal, name ? name : "unknown");
}

struct Process::Impl {
    Impl(const asio::any_io_executor& executor, int pidfd, ProcessIdentity who)
        : descriptor(executor, pidfd), identity(std::move(who)) {}

    // Asks the kernel, and reaps the process if it has ended and is our child.
    void look() {
        if (status) return;
        const int pidfd = descriptor.native_handle();
        siginfo_t info{};
        switch (look_at_child(pidfd, info, WNOWAIT)) {
            case Look::running:
                return;
            case Look::ended:
                // As long as the zombie is there, its number can't become somebody else's group.
                ::kill(-identity.pid, SIGKILL);
                look_at_child(pidfd, info, 0);
                status = status_from(info);
                return;
            case Look::not_a_child:
                if (!is_readable(pidfd)) return;
                // Somebody else reaps it: the number may have been given away in the meantime.
                if (!identify_process(identity.pid)) ::kill(-identity.pid, SIGKILL);
                status = ExitStatus{};
                return;
        }
    }

    void signal_group(int signal) {
        look();
        if (!status) ::kill(-identity.pid, signal);
    }

    // The caller keeps the Impl alive.
    Task<ExitStatus> wait() {
        for (look(); !status; look()) {
            co_await descriptor.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
        }
        co_return *status;
    }

    asio::posix::stream_descriptor descriptor;  // the pidfd: readable once the process has ended
    ProcessIdentity identity;
    std::optional<ExitStatus> status;
};

Process::Process(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Process::Process(Process&&) noexcept = default;
Process& Process::operator=(Process&&) noexcept = default;
Process::~Process() = default;

Process Process::start(asio::any_io_executor executor, const ProcessSpec& spec) {
    const pid_t pid = spawn(spec);
    UniqueFd pidfd(open_pidfd(pid));  // certainly this child: a zombie keeps its number until it is reaped
    if (!pidfd) {
        const int error = errno;
        ::kill(-pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        throw_errno("pidfd_open", error);
    }
    const auto stat = proc::read_stat(pid);
    ProcessIdentity identity{pid, stat ? stat->start_ticks : 0, proc::boot_id()};
    return Process(std::make_shared<Impl>(executor, pidfd.release(), std::move(identity)));
}

std::optional<Process> Process::adopt(asio::any_io_executor executor, const ProcessIdentity& identity) {
    if (identity.pid <= 0) return std::nullopt;
    // Opened before the comparison, so that what was compared is what the descriptor names.
    UniqueFd pidfd(open_pidfd(identity.pid));
    if (!pidfd || identify_process(identity.pid) != identity) return std::nullopt;
    return Process(std::make_shared<Impl>(executor, pidfd.release(), identity));
}

const ProcessIdentity& Process::identity() const {
    return impl_->identity;
}

Task<ExitStatus> Process::wait() {
    const auto impl = impl_;
    co_return co_await impl->wait();
}

std::optional<ExitStatus> Process::status() const {
    impl_->look();
    return impl_->status;
}

void Process::signal_group(int signal) {
    impl_->signal_group(signal);
}

Task<ExitStatus> Process::stop(std::chrono::milliseconds grace) {
    const auto impl = impl_;
    impl->signal_group(SIGTERM);
    impl->signal_group(SIGCONT);  // a stopped process gets SIGTERM only when it goes on
    asio::steady_timer patience(co_await asio::this_coro::executor, grace);
    patience.async_wait([impl](boost::system::error_code cancelled) {
        if (!cancelled) impl->signal_group(SIGKILL);
    });
    co_return co_await impl->wait();
}

}  // namespace llmm
