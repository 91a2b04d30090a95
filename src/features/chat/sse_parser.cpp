#include "features/chat/sse_parser.hpp"

#include "base/error/error.hpp"

#include <utility>

namespace llmm::chat {

namespace {
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
}

void SseParser::check_size(std::size_t more) const {
    if (line_.size() + type_.size() + data_.size() + more > max_event_bytes_) {
        throw Error(ErrorCode::engine_failed, {"the engine sent an event that is too large", "引擎发送的事件过大"});
    }
}

void SseParser::feed(std::string_view bytes, std::vector<SseEvent>& events) {
    while (!bytes.empty()) {
        if (after_cr_) {
            after_cr_ = false;
            if (bytes.front() == '\n') {
                bytes.remove_prefix(1);
                continue;
            }
        }
        const std::size_t end = bytes.find_first_of("\r\n");
        const std::string_view part = bytes.substr(0, end);
        check_size(part.size());
        line_ += part;
        if (end == std::string_view::npos) return;
        after_cr_ = bytes[end] == '\r';
        bytes.remove_prefix(end + 1);
        end_line(events);
    }
}

void SseParser::end_line(std::vector<SseEvent>& events) {
    std::string_view line = line_;
    if (std::exchange(at_start_, false) && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
    if (line.empty()) {
        if (!data_.empty()) {
            data_.pop_back();
            events.push_back({std::move(type_), std::move(data_)});
        }
        type_.clear();
        data_.clear();
    } else {
        const std::size_t colon = line.find(':');  // at 0: a comment, whose empty name matches nothing below
        const std::string_view name = line.substr(0, colon);
        std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
        if (value.starts_with(' ')) value.remove_prefix(1);
        if (name == "data") {
            data_ += value;
            data_ += '\n';
        } else if (name == "event") {
            type_ = value;
        }
    }
    line_.clear();
}

}  // namespace llmm::chat
