#pragma once
#include <cstddef>
#include <optional>
#include <string>

namespace llmm::hubs {

inline constexpr std::size_t kMaxCardBytes = 256 * 1024;

// A model's card for people: valid UTF-8, cut between characters. Anything else is no card.
std::optional<std::string> card_of(std::string text);

}  // namespace llmm::hubs
