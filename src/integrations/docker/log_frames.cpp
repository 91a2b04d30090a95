#include "integrations/docker/log_frames.hpp"

#include "base/time/time.hpp"

#include <algorithm>

namespace llmm::docker {
namespace {

constexpr std::size_t kHeader = 8;
constexpr std::size_t kMaxStamp = 64;

// parse_rfc3339() with the digits that it leaves out.
std::optional<std::chrono::nanoseconds> parse_time(std::string_view text) {
    const auto time = parse_rfc3339(text);
    if (!time) return std::nullopt;
    std::chrono::nanoseconds result = std::chrono::floor<std::chrono::seconds>(time->time_since_epoch());
    std::chrono::nanoseconds digit = std::chrono::milliseconds(100);
    const std::size_t point = text.find('.');
    for (std::size_t i = point; i != text.npos && ++i < text.size() && text[i] >= '0' && text[i] <= '9'; digit /= 10)
        result += digit * (text[i] - '0');
    return result;
}

}  // namespace

std::string LogFrames::take(std::string_view bytes) {
    std::string text;
    while (!bytes.empty() && !broken_) {
        if (left_ > 0 && stamp_) {
            take_time(bytes);
            continue;
        }
        if (left_ > 0) {
            const std::size_t count = std::min<std::size_t>(left_, bytes.size());
            text += bytes.substr(0, count);
            bytes.remove_prefix(count);
            left_ -= static_cast<std::uint32_t>(count);
            continue;
        }
        const std::size_t count = std::min(kHeader - header_.size(), bytes.size());
        header_ += bytes.substr(0, count);
        bytes.remove_prefix(count);
        if (header_.size() < kHeader) break;
        // 0 is stdin, which a log never has but the format does.
        broken_ = header_[0] < 0 || header_[0] > 2 || header_[1] != 0 || header_[2] != 0 || header_[3] != 0;
        for (std::size_t i = 4; i < kHeader; ++i)
            left_ = (left_ << 8) | static_cast<unsigned char>(header_[i]);
        header_.clear();
        stamp_.emplace();
    }
    return text;
}

void LogFrames::take_time(std::string_view& bytes) {
    const std::size_t count = std::min<std::size_t>({bytes.find(' '), left_, bytes.size()});
    *stamp_ += bytes.substr(0, count);
    bytes.remove_prefix(count);
    left_ -= static_cast<std::uint32_t>(count);
    if (stamp_->size() > kMaxStamp) broken_ = true;
    if (left_ > 0 && bytes.empty()) return;
    if (left_ > 0) {
        bytes.remove_prefix(1);
        --left_;
    }
    const auto time = parse_time(*stamp_);
    stamp_.reset();
    if (time) {
        time_ = *time;
    } else {
        broken_ = true;
    }
}

}  // namespace llmm::docker
