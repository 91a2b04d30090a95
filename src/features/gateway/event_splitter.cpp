#include "features/gateway/event_splitter.hpp"

#include "base/error/error.hpp"

#include <algorithm>

namespace llmm::gateway {

// Behind the last empty line (WHATWG HTML 9.2.6 knows three line ends; engines use the first two).
std::size_t EventSplitter::end_of_last(std::string_view text) const {
    if (unit_ == Unit::line) {
        const std::size_t feed = text.rfind('\n');
        return feed == std::string_view::npos ? 0 : feed + 1;
    }
    std::size_t end = 0;
    for (const std::string_view gap : {"\n\n", "\n\r\n", "\r\r"}) {
        const std::size_t place = text.rfind(gap);
        if (place != std::string_view::npos) end = std::max(end, place + gap.size());
    }
    // Further empty lines belong to no event, so that it doesn't matter with which piece they come.
    return std::min(text.find_first_not_of("\r\n", end), text.size());
}

std::string_view EventSplitter::feed(std::string_view piece) {
    if (held_.empty()) {
        if (unit_ == Unit::event && piece.ends_with("\n\n")) return piece;
        const std::size_t end = end_of_last(piece);
        held_ = piece.substr(end);
        return piece.substr(0, end);
    }
    held_ += piece;
    const std::size_t end = end_of_last(held_);
    if (end == 0) {
        if (held_.size() > max_held_) {
            fail(ErrorCode::engine_failed, "the engine sent an event without an end", "引擎发送的事件没有结尾");
        }
        return {};
    }
    out_.assign(held_, 0, end);
    held_.erase(0, end);
    return out_;
}

}  // namespace llmm::gateway
