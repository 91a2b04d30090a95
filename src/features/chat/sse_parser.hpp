#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace llmm::chat {

struct SseEvent {
    std::string type;  // of the field `event`; mostly empty
    std::string data;
    friend bool operator==(const SseEvent&, const SseEvent&) = default;
};

// Splits a text/event-stream (WHATWG HTML, 9.2.6) that arrives in pieces of any size. An event that the stream's end
// cuts off is never given out, as the standard wants.
class SseParser {
  public:
    static constexpr std::size_t kMaxEventBytes = 1 << 20;

    explicit SseParser(std::size_t max_event_bytes = kMaxEventBytes) : max_event_bytes_(max_event_bytes) {}

    // Adds the events that these bytes complete. Throws ENGINE_FAILED when one grows beyond the bound; what was
    // complete before is in `events`.
    void feed(std::string_view bytes, std::vector<SseEvent>& events);

  private:
    void end_line(std::vector<SseEvent>& events);
    void check_size(std::size_t more) const;

    std::size_t max_event_bytes_;
    std::string line_;
    std::string type_;
    std::string data_;  // each line of it followed by "\n"
    bool at_start_ = true;
    bool after_cr_ = false;  // a LF now belongs to the CR before
};

}  // namespace llmm::chat
