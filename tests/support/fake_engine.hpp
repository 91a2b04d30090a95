#pragma once
#include "base/net/upstream.hpp"
#include "support/temporary_directory.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace llmm::test {

// tests/fakes/engine on a unix socket. `script` is its JSON (see there), without the braces.
class FakeEngine {
  public:
    // The context is shared by four slots.
    explicit FakeEngine(const std::string& script = "", int context = 1'048'576);
    ~FakeEngine();
    FakeEngine(const FakeEngine&) = delete;
    FakeEngine& operator=(const FakeEngine&) = delete;

    std::shared_ptr<Upstream> upstream() const;
    struct LogEntry {
        std::string event;
        std::chrono::system_clock::time_point time;
        std::string body;  // of a request
    };
    std::vector<LogEntry> log() const;
    // Waits for the count-th entry of this kind; fails the test when it does not come.
    LogEntry wait_for(std::string_view event, std::size_t count = 1) const;

  private:
    TemporaryDirectory directory_;
    std::string socket_path_;
    pid_t pid_ = 0;
};

}  // namespace llmm::test
