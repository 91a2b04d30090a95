#pragma once
#include <functional>
#include <string>
#include <string_view>

namespace llmm::app::cli {

struct ServerEvent {
    std::string name;  // "message" when the stream names none
    std::string data;
};

// Cuts a text/event-stream into events, whatever pieces it arrives in. Comments, ids and retry times are
// passed over.
class EventStream {
  public:
    explicit EventStream(std::function<void(const ServerEvent&)> on_event) : on_event_(std::move(on_event)) {}

    void feed(std::string_view piece);

  private:
    void take_line(std::string_view line);

    std::function<void(const ServerEvent&)> on_event_;
    std::string rest_;
    ServerEvent event_;
    bool has_data_ = false;
};

}  // namespace llmm::app::cli
