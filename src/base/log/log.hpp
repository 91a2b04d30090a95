#pragma once
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

// Structured log lines on standard error, as JSON or for human eyes. Safe from any thread.
namespace llmm::log {

enum class Level { debug, info, warning, error };
enum class Format { human, json };

// Text is not copied: it lives as long as the call.
class Value {
  public:
    Value(std::string_view text) : value_(text) {}
    Value(const std::string& text) : value_(std::string_view(text)) {}
    Value(const char* text) : value_(std::string_view(text)) {}
    Value(bool flag) : value_(flag) {}
    Value(std::integral auto number) : value_(static_cast<std::int64_t>(number)) {}
    Value(std::floating_point auto number) : value_(static_cast<double>(number)) {}

    const auto& get() const { return value_; }

  private:
    std::variant<std::string_view, std::int64_t, double, bool> value_;
};

struct Field {
    std::string_view key;
    Value value;
};
using Fields = std::initializer_list<Field>;

void configure(Level level, Format format);
bool enabled(Level level);
void write(Level level, std::string_view message, Fields fields);
// For a line with every request: it may reach the descriptor up to a second later, many in one write.
void info_in_time(std::string_view message, Fields fields);

inline void debug(std::string_view message, Fields fields = {}) {
    if (enabled(Level::debug)) write(Level::debug, message, fields);
}
inline void info(std::string_view message, Fields fields = {}) {
    if (enabled(Level::info)) write(Level::info, message, fields);
}
inline void warning(std::string_view message, Fields fields = {}) {
    write(Level::warning, message, fields);
}
inline void error(std::string_view message, Fields fields = {}) {
    write(Level::error, message, fields);
}

}  // namespace llmm::log
