#include "features/usage/usage.hpp"

#include <utility>

namespace llmm::usage {
namespace {

constexpr std::pair<Grouping, std::string_view> kGroupings[] = {{Grouping::day, "day"},
                                                                {Grouping::model, "model"},
                                                                {Grouping::caller, "caller"},
                                                                {Grouping::deployment, "deployment"},
                                                                {Grouping::dialect, "dialect"}};

}  // namespace

std::string_view name_of(Grouping grouping) {
    for (const auto& [value, name] : kGroupings) {
        if (value == grouping) return name;
    }
    return "day";
}

std::optional<Grouping> parse_grouping(std::string_view text) {
    for (const auto& [value, name] : kGroupings) {
        if (name == text) return value;
    }
    return std::nullopt;
}

}  // namespace llmm::usage
