#pragma once
#include "base/error/error.hpp"
#include "http/request.hpp"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace llmm::http {

// Reads query parameters as strictly as ObjectReader reads bodies: unknown, repeated or bad ones are all named at once.
class QueryReader {
  public:
    explicit QueryReader(const Request& request) : request_(request) {}

    std::optional<std::string> text(std::string_view name, std::size_t max_length = 512);
    std::string required_text(std::string_view name, std::size_t max_length = 512);
    std::optional<std::int64_t> integer(std::string_view name, std::int64_t min, std::int64_t max);
    std::optional<std::string> choice(std::string_view name, std::initializer_list<std::string_view> allowed);
    bool flag(std::string_view name);  // "true" or "1"; absent is false
    // The parameters that every list has.
    int limit();
    std::string cursor();
    void add_problem(std::string_view name, Text problem, Text allowed = {});
    void finish();  // throws VALIDATION_FAILED

  private:
    const std::string* find(std::string_view name);

    const Request& request_;
    std::vector<std::string> known_;
    Details problems_;
};

}  // namespace llmm::http
