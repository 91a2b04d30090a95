#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace llmm::gateway {

// Token counts of an answer; cached ones are part of those in.
struct TokenCounts {
    std::optional<std::int64_t> in, out, cached;
};

// Finds what an answer says about itself while it passes by, without parsing the answer: a quote inside a JSON string
// is escaped, so that `"usage":` can only be a key.
class AnswerScan {
  public:
    // Whole events of a stream, or a whole body.
    void feed(std::string_view text);

    bool begun() const { return begun_; }  // something of the answer itself was there
    const TokenCounts& tokens() const { return tokens_; }
    const std::string& finish_reason() const { return finish_reason_; }

  private:
    void read_counts(std::string_view object, bool is_usage);

    bool begun_ = false;
    bool has_usage_ = false;
    TokenCounts tokens_;
    std::string finish_reason_;
};

// The events without the one that only tells the usage, for a client that did not ask for it.
std::string without_usage_event(std::string_view events);
bool has_usage_event(std::string_view events);

}  // namespace llmm::gateway
