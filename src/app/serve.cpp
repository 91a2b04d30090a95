#include "app/serve.hpp"

#include "app/app.hpp"
#include "base/async/task_group.hpp"
#include "base/error/error.hpp"
#include "base/fs/file.hpp"
#include "base/log/log.hpp"
#include "storage/migrator.hpp"

#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/prctl.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <sodium.h>

namespace llmm::app {
namespace {

constexpr int kDone = 0, kFailed = 1, kBadConfiguration = 2;

void configure_log(const Config& config) {
    const auto level = config.log.level == "debug"     ? log::Level::debug
                       : config.log.level == "warning" ? log::Level::warning
                       : config.log.level == "error"   ? log::Level::error
                                                       : log::Level::info;
    log::configure(level, config.log.format == "json" ? log::Format::json : log::Format::human);
}

// share/ beside the program (a build folder) or where a package puts it.
std::filesystem::path find_resources() {
    const auto program = std::filesystem::canonical("/proc/self/exe").parent_path();
    for (const auto& candidate : {program / "share", program / "../share/llm-manager"}) {
        if (std::filesystem::exists(candidate / "demo/shelf.toml")) return std::filesystem::weakly_canonical(candidate);
    }
    fail(ErrorCode::internal, "the folder share/ is missing beside the program; build it again with make build",
         "程序旁缺少 share/ 目录；请用 make build 重新构建");
}

// Two services on one data directory would fight over it.
UniqueFd lock_home(const std::filesystem::path& home) {
    make_directories(home);
    UniqueFd lock = open_file(home / "lock", O_RDWR | O_CREAT);
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        fail(ErrorCode::conflict,
             "another llm-manager serves from {}; stop it or set LLM_MANAGER_HOME to another folder",
             "另一个 llm-manager 正在使用 {}；请停止它或将 LLM_MANAGER_HOME 设为其他目录", home.string());
    }
    return lock;
}

Task<> watch_hangups(App& app, asio::signal_set& hangups) {
    for (;;) {
        co_await hangups.async_wait(asio::use_awaitable);
        app.reload();
    }
}

Task<> run_app(App& app, asio::io_context& loop) {
    asio::signal_set ends(loop, SIGTERM, SIGINT), hangups(loop, SIGHUP);
    TaskGroup background(loop.get_executor());
    background.spawn("hangups", watch_hangups(app, hangups));
    std::exception_ptr failure;
    try {
        co_await app.start();
        co_await ends.async_wait(asio::use_awaitable);
    } catch (...) {
        failure = std::current_exception();
    }
    ends.clear();  // from here on a second signal takes its default course and ends the process at once
    log::info("stopping; a second signal ends at once");
    co_await background.stop();
    co_await app.stop();
    if (failure) std::rethrow_exception(failure);
}

int report(const char* what) {
    std::fprintf(stderr, "llm-manager: %s\n", what);
    return kFailed;
}

// Turns every failure before or after serving into a sentence and an exit code.
template <class Work>
int guarded(Work work) {
    try {
        return work();
    } catch (const ConfigError& error) {
        for (const std::string& problem : error.problems())
            std::fprintf(stderr, "llm-manager: configuration: %s\n", problem.c_str());
        return kBadConfiguration;
    } catch (const Error& error) {
        const std::string note = error.log_note().empty() ? "" : " (" + error.log_note() + ")";
        return report((error.message().en + note).c_str());
    } catch (const std::exception& error) {
        return report(error.what());
    }
}

}  // namespace

int serve(const Config& config) {
    return guarded([&] {
        if (sodium_init() < 0) return report("libsodium can't be initialised");
        ::prctl(PR_SET_DUMPABLE, 0);  // no core dumps: the process holds keys
        std::signal(SIGPIPE, SIG_IGN);
        configure_log(config);
        check_config(config);
        const UniqueFd lock = lock_home(config.home);

        asio::io_context loop(1);  // one thread owns all state: see docs/decisions/0001-one-loop-thread.md
        std::exception_ptr failure;
        {
            App app(loop, config, find_resources());
            asio::co_spawn(loop, run_app(app, loop), [&](std::exception_ptr error) {
                failure = error;
                loop.stop();
            });
            loop.run();
        }
        if (failure) std::rethrow_exception(failure);
        return kDone;
    });
}

int migrate(const Config& config) {
    return guarded([&] {
        configure_log(config);
        check_config(config);
        const UniqueFd lock = lock_home(config.home);
        const auto url = config.database.url.empty()
                             ? storage::DatabaseUrl::of_file(std::filesystem::absolute(config.home) / "llm-manager.db")
                             : storage::DatabaseUrl::parse(config.database.url.reveal());
        const auto report_of = storage::migrate(url);
        std::printf("%s: version %d", url.printable().c_str(), report_of.version_after);
        if (report_of.version_before != report_of.version_after) std::printf(" (was %d)", report_of.version_before);
        std::printf("\n");
        return kDone;
    });
}

}  // namespace llmm::app
