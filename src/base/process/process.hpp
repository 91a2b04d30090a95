#pragma once
#include "base/async/task.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

namespace llmm {

// Names one run of a process for ever: a pid alone is used again by the kernel.
struct ProcessIdentity {
    pid_t pid = 0;
    std::uint64_t start_ticks = 0;  // field 22 of /proc/<pid>/stat
    std::string boot_id;            // /proc/sys/kernel/random/boot_id
    friend bool operator==(const ProcessIdentity&, const ProcessIdentity&) = default;
};

// Who runs under this pid now; nullopt when nobody (a zombie counts as nobody).
std::optional<ProcessIdentity> identify_process(pid_t pid);
// Processes of this user whose environment has NAME=value; for finding children of a manager that was killed.
std::vector<ProcessIdentity> find_processes_with_environment(std::string_view name, std::string_view value);
// Resident bytes of the process, its descendants and its session, each shared page counted once a process;
// nullopt when it is gone.
std::optional<std::uint64_t> resident_bytes(pid_t pid);

struct ProcessSpec {
    std::filesystem::path program;
    std::vector<std::string> arguments;                            // without argv[0]; never seen by a shell
    std::vector<std::pair<std::string, std::string>> environment;  // all of it: nothing is inherited
    std::filesystem::path working_directory;
    std::filesystem::path output;  // stdout and stderr are appended here; stdin is /dev/null
};

struct ExitStatus {
    // Exactly one of them, or none for an adopted process, whose status only its parent gets.
    std::optional<int> code;
    std::optional<int> signal;
    std::string to_string() const;  // "exit code 1", "signal 9 (Killed)", "ended"
};

// A process in a session and process group of its own that outlives this program unless it is stopped. When
// its end is seen, what is left of its group is killed: an engine's helpers hold memory. Used from one strand
// of the event loop only.
class Process {
  public:
    // Throws ENGINE_UNAVAILABLE when the program can't be executed (missing, no permission, wrong
    // architecture).
    static Process start(asio::any_io_executor executor, const ProcessSpec& spec);
    // Takes over a process that an earlier run of this program started; nullopt when that run has ended.
    static std::optional<Process> adopt(asio::any_io_executor executor, const ProcessIdentity& identity);

    Process(Process&&) noexcept;
    Process& operator=(Process&&) noexcept;
    ~Process();  // does not end the process

    const ProcessIdentity& identity() const;
    // Resumes when it has ended; a child is reaped. Any number of waiters, also afterwards.
    Task<ExitStatus> wait();
    std::optional<ExitStatus> status() const;  // set once it was seen to have ended
    void signal_group(int signal);             // to the whole process group; nothing after the end
    // SIGTERM to the group, SIGKILL after the grace time, waits for the end.
    Task<ExitStatus> stop(std::chrono::milliseconds grace);

  private:
    struct Impl;
    explicit Process(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;
};

// Keeps an append-only log file below max_bytes: copies its last max_bytes to "<path>.1" (older ones move up
// to
// "<path>.<keep>") and truncates it. The writer needs O_APPEND and no notice. Lines written during the copy
// may be lost. Truncates also when the copy fails, then throws. Blocking.
void rotate_log(const std::filesystem::path& path, std::uint64_t max_bytes, int keep);
// The last lines of a log across its rotations, oldest first; at most 4 MiB of them. Blocking.
std::vector<std::string> tail_log(const std::filesystem::path& path, std::size_t lines);

}  // namespace llmm
