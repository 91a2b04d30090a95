#include "integrations/docker/log_frames.hpp"

#include <algorithm>

namespace llmm::docker {
namespace {

constexpr std::size_t kHeader = 8;

}  // namespace

std::string LogFrames::take(std::string_view bytes) {
    std::string text;
    while (!bytes.empty() && !broken_) {
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
    }
    return text;
}

}  // namespace llmm::docker
