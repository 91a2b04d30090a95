#pragma once
#include "base/async/blocking_pool.hpp"
#include "base/async/task.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::clamav {

// Lets ClamAV's daemon look at files: their bytes go to it over its socket (INSTREAM), so it needs no right to read
// them. Used from the event loop.
class Clamd {
  public:
    struct Options {
        std::string address;                         // "/run/clamav/clamd.ctl" or "host:port"
        std::uint64_t part_bytes = 24 << 20;         // clamd takes no more at once than its StreamMaxLength
        std::chrono::milliseconds patience{60'000};  // for each step: connecting, a piece sent, the verdict
        bool may_be_away = false;                    // then files are kept without a scan
    };
    struct File {
        std::filesystem::path path;
        std::uint64_t size = 0;
    };
    struct Finding {
        std::size_t file = 0;
        std::string name;  // of what is in it
    };
    static bool is_address(std::string_view text);

    Clamd(Options options, BlockingPool& files) : options_(std::move(options)), files_(files) {}

    // The first that it finds; nullopt: nothing. A file longer than a part is scanned in parts that overlap, so that a
    // signature of the kind that stands anywhere in a file is not cut in two. SCAN_UNAVAILABLE, unless it may be away.
    Task<std::optional<Finding>> scan(std::vector<File> files);

  private:
    struct Connection;
    Task<std::optional<std::string>> scan_file(File file);
    Task<std::optional<std::string>> scan_part(int file, std::uint64_t begin, std::uint64_t end);
    Task<> connect(Connection& connection);
    Task<> send_part(Connection& connection, int file, std::uint64_t begin, std::uint64_t end);
    Task<> in_time(Task<> step) const;

    Options options_;
    BlockingPool& files_;
};

}  // namespace llmm::clamav
