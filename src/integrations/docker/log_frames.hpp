#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace llmm::docker {

// The log of a container without a terminal: frames of eight bytes (stream 1 or 2, three zeros, the length as a
// big-endian 32-bit number) and so many bytes of text. Takes the bytes as they come; what is no such frame ends it.
class LogFrames {
  public:
    // The text that these bytes complete, of both streams in their order.
    std::string take(std::string_view bytes);
    bool broken() const { return broken_; }

  private:
    std::string header_;
    std::uint32_t left_ = 0;  // of the text of this frame
    bool broken_ = false;
};

}  // namespace llmm::docker
