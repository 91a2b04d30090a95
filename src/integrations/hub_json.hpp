#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/fwd.hpp>

namespace llmm::hubs {

namespace json = boost::json;

inline constexpr std::size_t kMaxPathLength = 4096;  // bytes, of a file in a repository

// Reads the answers of one hub. Each function throws HUB_BAD_RESPONSE with the place that is wrong; the messages name
// the hub as it was given here.
class AnswerReader {
  public:
    struct Words {
        std::string_view en, zh;
    };

    // hub: "ModelScope". not_a_hub: what else an address that shows web pages can be, "a wrong MODELSCOPE_ENDPOINT".
    constexpr AnswerReader(Words hub, Words not_a_hub) : hub_(hub), not_a_hub_(not_a_hub) {}

    [[noreturn]] void bad(std::string_view where, Words what) const;
    json::value parse(std::string_view body) const;
    const json::object& object_of(const json::value& value, std::string_view where) const;
    const json::array& array_of(const json::value& value, std::string_view where) const;
    // A member that must be there.
    const json::object& object_at(const json::object& object, std::string_view name) const;
    const json::array& array_at(const json::object& object, std::string_view name) const;
    std::string text_at(const json::object& object, std::string_view name, std::string_view where,
                        std::size_t max_length) const;
    // In bytes; nullopt when it is missing.
    std::optional<std::uint64_t> size_if(const json::object& object, std::string_view name,
                                         std::string_view where) const;

  private:
    Words hub_, not_a_hub_;
};

// What a model can be shown without: nullopt, nullptr, false or nothing when it is missing, null or of another type.
const json::value* find(const json::object& object, std::string_view name);
std::optional<std::string> text_if(const json::object& object, std::string_view name, std::size_t max_length = 1024);
std::optional<std::int64_t> count_if(const json::object& object, std::string_view name);
std::vector<std::string> tags_of(const json::object& object);
bool flag(const json::object& object, std::string_view name);  // also 1

}  // namespace llmm::hubs
