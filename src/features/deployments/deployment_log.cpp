#include "features/deployments/deployment_log.hpp"

#include "base/fs/file.hpp"
#include "base/process/process.hpp"

#include <algorithm>
#include <fcntl.h>
#include <span>

namespace llmm::deployments {
namespace {

constexpr std::size_t kBlock = 256 << 10;       // read at once; the rest comes with the next call
constexpr std::size_t kLongestLine = 64 << 10;  // longer ones are cut in pieces
constexpr int kSettleTries = 5;

std::string without_return(std::string line) {
    if (line.ends_with('\r')) line.pop_back();
    return line;
}

}  // namespace

LogTail read_log_tail(const std::filesystem::path& path, std::size_t lines) {
    LogTail tail{tail_log(path, lines + 1), false};
    if (tail.lines.size() > lines) {
        tail.lines.erase(tail.lines.begin());
        tail.truncated = true;
    }
    return tail;
}

std::uint64_t log_size(const std::filesystem::path& path) {
    std::error_code missing;
    const std::uintmax_t size = std::filesystem::file_size(path, missing);
    return missing ? 0 : size;
}

std::vector<std::string> log_since(const std::filesystem::path& path, std::uint64_t start, std::size_t lines) {
    const std::uint64_t end = log_size(path);
    if (end < start || end - start > kBlock) return tail_log(path, lines);
    auto written = LogFollower(path, start).next();
    if (written.size() > lines) written.erase(written.begin(), written.end() - static_cast<std::ptrdiff_t>(lines));
    return written;
}

std::vector<std::string> LogFollower::begin(std::size_t lines) {
    // When the log grows while it is read, nobody knows which lines the tail has: again, until it stood still.
    std::vector<std::string> tail;
    for (int tries = 0; tries < kSettleTries; ++tries) {
        offset_ = log_size(path_);
        tail = tail_log(path_, lines);
        if (log_size(path_) == offset_) break;
    }
    return tail;
}

std::vector<std::string> LogFollower::next() {
    const std::uint64_t end = log_size(path_);
    if (end < offset_) {  // rotated
        offset_ = 0;
        unfinished_.clear();
    }
    if (end == offset_) return {};
    const UniqueFd file = open_file(path_, O_RDONLY | O_NOFOLLOW);
    std::string block(static_cast<std::size_t>(std::min<std::uint64_t>(end - offset_, kBlock)), '\0');
    const std::size_t count = read_at(file.get(), std::as_writable_bytes(std::span(block)), offset_);
    offset_ += count;
    unfinished_.append(block, 0, count);
    return take_lines();
}

std::vector<std::string> LogFollower::take_lines() {
    std::vector<std::string> lines;
    std::size_t start = 0;
    for (auto end = unfinished_.find('\n'); end != std::string::npos; end = unfinished_.find('\n', start)) {
        lines.push_back(without_return(unfinished_.substr(start, end - start)));
        start = end + 1;
    }
    unfinished_.erase(0, start);
    if (unfinished_.size() > kLongestLine) lines.push_back(std::exchange(unfinished_, {}));
    return lines;
}

}  // namespace llmm::deployments
