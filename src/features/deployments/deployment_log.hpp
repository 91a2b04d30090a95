#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace llmm::deployments {

struct LogTail {
    std::vector<std::string> lines;
    bool truncated = false;  // there are older lines
};

// The last lines of an engine's log, oldest first, also across its rotations. Blocking.
LogTail read_log_tail(const std::filesystem::path& path, std::size_t lines);

std::uint64_t log_size(const std::filesystem::path& path);
// The last lines of what was written behind `start`; when that is much, or the log was rotated since, simply the last
// lines. Blocking.
std::vector<std::string> log_since(const std::filesystem::path& path, std::uint64_t start, std::size_t lines);

// Reads what is appended to a log, also when it is rotated (copied away and truncated) or does not exist yet. Blocking.
class LogFollower {
  public:
    explicit LogFollower(std::filesystem::path path, std::uint64_t offset = 0)
        : path_(std::move(path)), offset_(offset) {}

    // The last lines until now; next() goes on behind them.
    std::vector<std::string> begin(std::size_t lines);
    // Whole lines that came since the last call.
    std::vector<std::string> next();

  private:
    std::vector<std::string> take_lines();

    const std::filesystem::path path_;
    std::uint64_t offset_ = 0;
    std::string unfinished_;  // a line whose end is not written yet
};

}  // namespace llmm::deployments
