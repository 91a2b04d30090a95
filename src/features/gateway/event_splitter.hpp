#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace llmm::gateway {

// Cuts a stream of server-sent events, or of lines, where one ends: what is passed on can always be followed by an
// event of our own. Engines write an event at once, so nearly always nothing is held back and nothing is copied.
class EventSplitter {
  public:
    enum class Unit { event, line };
    explicit EventSplitter(Unit unit = Unit::event, std::size_t max_held = 16 << 20)
        : unit_(unit), max_held_(max_held) {}

    // All complete events of what was received so far and not handed out yet; valid until the next call and as long as
    // `piece`. Throws ENGINE_FAILED for an event that does not end within the bound.
    std::string_view feed(std::string_view piece);
    // An event has begun and not ended.
    bool has_rest() const { return !held_.empty(); }

  private:
    std::size_t end_of_last(std::string_view text) const;

    Unit unit_;
    std::size_t max_held_;
    std::string held_;  // the beginning of an event
    std::string out_;
};

}  // namespace llmm::gateway
