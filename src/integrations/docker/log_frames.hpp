#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace llmm::docker {

// The log of a container without a terminal, asked for with timestamps=1: frames of eight bytes (stream 1 or 2, three
// zeros, the length as a big-endian 32-bit number) and so many bytes, which are a time, a space and text. Takes the
// bytes as they come; what is no such frame ends it.
class LogFrames {
  public:
    // The text that these bytes complete, of both streams in their order.
    std::string take(std::string_view bytes);
    bool broken() const { return broken_; }
    // Of the frame whose text came last, since 1970; zero before the first.
    std::chrono::nanoseconds time() const { return time_; }

  private:
    void take_time(std::string_view& bytes);

    std::string header_;
    std::optional<std::string> stamp_;  // while it is being read
    std::chrono::nanoseconds time_{};
    std::uint32_t left_ = 0;  // of the text of this frame
    bool broken_ = false;
};

}  // namespace llmm::docker
