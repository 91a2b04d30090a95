#include "base/process/process.hpp"

#include "base/async/signal.hpp"
#include "base/error/error.hpp"
#include "support/event_loop.hpp"
#include "support/temporary_directory.hpp"

#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <signal.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmm {
namespace {

using namespace std::chrono_literals;

std::string content_of(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// Waits for what another process does; false after ten seconds.
bool eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 1000; ++i) {
        if (condition()) return true;
        std::this_thread::sleep_for(10ms);
    }
    return false;
}

class ProcessTest : public testing::Test {
  protected:
    ProcessSpec shell(const std::string& script) {
        return {.program = "/bin/sh",
                .arguments = {"-c", script},
                .environment = {{"PATH", "/usr/bin:/bin"}},
                .working_directory = directory_.path(),
                .output = log()};
    }
    Process start(const ProcessSpec& spec) { return Process::start(loop_.executor(), spec); }
    ExitStatus run(const std::string& script) {
        Process process = start(shell(script));
        return loop_.run(process.wait());
    }
    std::filesystem::path log() { return directory_ / "log"; }
    pid_t pid_in(const std::filesystem::path& file) {
        EXPECT_TRUE(eventually([&] { return content_of(file).ends_with("\n"); })) << file;
        return std::stoi(content_of(file));
    }

    test::TemporaryDirectory directory_;
    test::EventLoop loop_;
};

TEST_F(ProcessTest, tells_the_exit_code_and_keeps_telling_it) {
    Process process = start(shell("exit 7"));
    EXPECT_EQ(loop_.run(process.wait()).to_string(), "exit code 7");
    EXPECT_EQ(loop_.run(process.wait()).code, 7);
    EXPECT_EQ(process.status()->code, 7);
}

TEST_F(ProcessTest, tells_the_signal_that_ended_it) {
    EXPECT_EQ(run("kill -9 $$").to_string(), "signal 9 (Killed)");
}

TEST_F(ProcessTest, is_running_until_it_ends) {
    Process process = start(shell("sleep 60"));
    EXPECT_EQ(process.status(), std::nullopt);
    EXPECT_EQ(identify_process(process.identity().pid), process.identity());
    process.signal_group(SIGKILL);
    EXPECT_EQ(loop_.run(process.wait()).signal, SIGKILL);
    EXPECT_EQ(identify_process(process.identity().pid), std::nullopt);
    process.signal_group(SIGKILL);  // nothing happens
}

TEST_F(ProcessTest, wakes_every_waiter) {
    Process process = start(shell("sleep 0.1; exit 3"));
    int woken = 0;
    for (int i = 0; i < 5; ++i) {
        asio::co_spawn(loop_.context(), process.wait(), [&](std::exception_ptr error, ExitStatus status) {
            EXPECT_FALSE(error);
            woken += status.code == 3;
        });
    }
    loop_.run(process.wait());
    loop_.run(sleep_for(10ms));
    EXPECT_EQ(woken, 5);
}

TEST_F(ProcessTest, appends_both_outputs_and_has_an_empty_input) {
    std::ofstream(log()) << "before\n";
    EXPECT_EQ(run("echo out; echo error >&2; wc -c").code, 0);
    EXPECT_EQ(content_of(log()), "before\nout\nerror\n0\n");
}

TEST_F(ProcessTest, gives_exactly_the_environment_arguments_and_directory_that_were_asked_for) {
    ASSERT_EQ(::setenv("LLMM_TEST_LEAK", "1", 1), 0);
    ProcessSpec spec{.program = "/usr/bin/env",
                     .arguments = {},
                     .environment = {{"A", "one two"}, {"B", "$A;`x`"}},
                     .working_directory = directory_.path(),
                     .output = log()};
    Process environment = start(spec);
    loop_.run(environment.wait());
    EXPECT_EQ(content_of(log()), "A=one two\nB=$A;`x`\n");

    spec.program = "/bin/sh";
    spec.arguments = {"-c", "pwd; printf '[%s]' \"$@\"", "name", "a b", "", "*"};
    spec.output = directory_ / "arguments";
    Process arguments = start(spec);
    loop_.run(arguments.wait());
    EXPECT_EQ(content_of(spec.output), std::filesystem::canonical(directory_.path()).native() + "\n[a b][][*]");
}

TEST_F(ProcessTest, inherits_no_descriptor_signal_mask_or_ignored_signal) {
    const int leaked = ::open("/dev/null", O_RDONLY);  // no O_CLOEXEC, as in a careless library
    ASSERT_EQ(::fcntl(leaked, F_DUPFD, 200), 200);
    sigset_t blocked, before;
    ::sigemptyset(&blocked);
    ::sigaddset(&blocked, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
    const auto old_handler = ::signal(SIGPIPE, SIG_IGN);
    run("ls /proc/self/fd | wc -l; grep -E 'Sig(Blk|Ign)' /proc/self/status");
    ::signal(SIGPIPE, old_handler);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::close(200);
    ::close(leaked);
    // Four descriptors: the standard three and the one that ls itself opens. Some versions of glibc leave 32 and 33,
    // which it keeps for its own threads, ignored.
    EXPECT_THAT(content_of(log()),
                testing::MatchesRegex("4\nSigBlk:\t0000000000000000\nSigIgn:\t0000000[01][08]0000000\n"));
}

TEST_F(ProcessTest, says_that_a_program_can_not_be_started) {
    const auto plain = directory_ / "plain";
    std::ofstream(plain) << "#!/bin/sh\n";
    const auto foreign = directory_ / "foreign";
    std::ofstream(foreign) << "MZ not for this machine";
    std::filesystem::permissions(foreign, std::filesystem::perms::owner_all);
    for (const auto& program : {directory_ / "missing", plain, foreign, directory_.path()}) {
        ProcessSpec spec = shell("");
        spec.program = program;
        try {
            start(spec);
            ADD_FAILURE() << program;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::engine_unavailable) << program;
            EXPECT_NE(error.log_note().find(program), std::string::npos);
        }
    }
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a failed start leaves no child behind";
}

TEST_F(ProcessTest, refuses_texts_that_end_early) {
    ProcessSpec spec = shell("true");
    spec.arguments.push_back(std::string("a\0b", 3));
    EXPECT_THROW(start(spec), Error);
}

TEST_F(ProcessTest, stops_with_a_request_first) {
    Process process = start(shell("trap 'echo asked; exit 0' TERM; echo ready; while :; do sleep 0.05; done"));
    ASSERT_TRUE(eventually([&] { return content_of(log()) == "ready\n"; }));
    EXPECT_EQ(loop_.run(process.stop(10s)).code, 0);
    EXPECT_TRUE(content_of(log()).ends_with("asked\n")) << content_of(log());
}

TEST_F(ProcessTest, kills_what_ignores_the_request_with_its_grandchildren) {
    Process process =
        start(shell("trap '' TERM; (trap '' TERM; sleep 1000 & echo $! > grandchild; wait) & wait; sleep 1000"));
    const pid_t grandchild = pid_in(directory_ / "grandchild");
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(loop_.run(process.stop(200ms)).signal, SIGKILL);
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 200ms);
    EXPECT_TRUE(eventually([&] { return !identify_process(grandchild); }));
}

TEST_F(ProcessTest, leaves_nobody_of_its_group_behind_when_it_ends_by_itself) {
    Process process = start(shell("sleep 1000 & echo $! > grandchild; exit 4"));
    EXPECT_EQ(loop_.run(process.wait()).code, 4);
    const pid_t grandchild = pid_in(directory_ / "grandchild");
    EXPECT_TRUE(eventually([&] { return !identify_process(grandchild); }));
}

TEST_F(ProcessTest, stops_a_frozen_process_by_request) {
    Process process = start(shell("trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done"));
    ASSERT_TRUE(eventually([&] { return content_of(log()) == "ready\n"; }));
    process.signal_group(SIGSTOP);
    EXPECT_EQ(loop_.run(process.stop(10s)).code, 5);
}

// A process whose parent, an earlier run of the program, is dead.
class AdoptedProcessTest : public ProcessTest {
  protected:
    ProcessIdentity start_orphan(const char* script) {
        const std::string target = (directory_ / "orphan").native();
        const pid_t parent = ::fork();
        if (parent == 0) {
            if (::fork() == 0) {
                ::setsid();
                ::execl("/bin/sh", "sh", "-c", script, "sh", target.c_str(), nullptr);
            }
            ::_exit(0);
        }
        ::waitpid(parent, nullptr, 0);
        const auto identity = identify_process(pid_in(target));
        EXPECT_TRUE(identity);
        return *identity;
    }
};

TEST_F(AdoptedProcessTest, is_waited_for_and_stopped_like_a_child) {
    const ProcessIdentity identity = start_orphan("echo $$ > $1; exec sleep 1000");
    auto process = Process::adopt(loop_.executor(), identity);
    ASSERT_TRUE(process);
    EXPECT_EQ(process->status(), std::nullopt);
    EXPECT_EQ(loop_.run(process->stop(10s)).to_string(), "ended");
    EXPECT_EQ(Process::adopt(loop_.executor(), identity).has_value(), false);
}

TEST_F(AdoptedProcessTest, is_noticed_when_it_ends_by_itself) {
    auto process = Process::adopt(loop_.executor(), start_orphan("echo $$ > $1; sleep 0.2"));
    ASSERT_TRUE(process);
    EXPECT_EQ(loop_.run(process->wait()).code, std::nullopt);
}

TEST_F(AdoptedProcessTest, is_not_taken_for_another_run_under_the_same_number) {
    Process process = start(shell("sleep 60"));
    ProcessIdentity other_run = process.identity();
    other_run.start_ticks -= 1;
    EXPECT_FALSE(Process::adopt(loop_.executor(), other_run));
    ProcessIdentity other_boot = process.identity();
    other_boot.boot_id = "00000000-0000-0000-0000-000000000000";
    EXPECT_FALSE(Process::adopt(loop_.executor(), other_boot));
    EXPECT_FALSE(Process::adopt(loop_.executor(), ProcessIdentity{}));
    loop_.run(process.stop(1s));
}

TEST_F(ProcessTest, is_found_by_its_environment) {
    const std::string value = directory_.path().filename();
    ProcessSpec spec = shell("exec sleep 60");
    spec.environment.emplace_back("LLMM_TEST_OWNER", value);
    Process process = start(spec);
    spec.environment.back().second = value + "x";
    Process other = start(spec);
    EXPECT_EQ(find_processes_with_environment("LLMM_TEST_OWNER", value), std::vector{process.identity()});
    EXPECT_TRUE(find_processes_with_environment("TEST_OWNER", value).empty());
    loop_.run(process.stop(1s));
    loop_.run(other.stop(1s));
    EXPECT_TRUE(find_processes_with_environment("LLMM_TEST_OWNER", value).empty());
}

TEST_F(ProcessTest, counts_the_memory_of_its_descendants) {
    Process process = start(shell("echo > begun; head -c 64M /dev/zero | tail -c 48M | sleep 60"));
    const pid_t pid = process.identity().pid;
    // tail keeps the 48 MB that it will print; the shell itself is far smaller.
    EXPECT_TRUE(eventually([&] { return resident_bytes(pid).value_or(0) > (40u << 20); }));
    loop_.run(process.stop(1s));
    EXPECT_EQ(resident_bytes(pid), std::nullopt);
}

}  // namespace
}  // namespace llmm
