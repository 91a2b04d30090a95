#include "features/downloads/download.hpp"

#include <utility>

namespace llmm::downloads {
namespace {

constexpr std::string_view kStatuses[] = {"pending", "downloading", "paused", "completed", "failed", "cancelled"};
constexpr std::string_view kPhases[] = {"resolving",  "transferring",      "verifying",
                                        "publishing", "waiting_for_space", "waiting_for_source"};
constexpr std::string_view kFileStatuses[] = {"pending", "downloading", "verified", "failed"};

template <class Enum, std::size_t N>
std::optional<Enum> parse_in(const std::string_view (&names)[N], std::string_view text) {
    for (std::size_t i = 0; i < N; ++i) {
        if (names[i] == text) return static_cast<Enum>(i);
    }
    return std::nullopt;
}

}  // namespace

std::string_view name_of(Status status) {
    return kStatuses[static_cast<std::size_t>(status)];
}
std::string_view name_of(Phase phase) {
    return kPhases[static_cast<std::size_t>(phase)];
}
std::string_view name_of(FileStatus status) {
    return kFileStatuses[static_cast<std::size_t>(status)];
}
std::optional<Status> parse_status(std::string_view text) {
    return parse_in<Status>(kStatuses, text);
}
std::optional<Phase> parse_phase(std::string_view text) {
    return parse_in<Phase>(kPhases, text);
}

std::optional<std::uint64_t> Plan::total_size() const {
    std::uint64_t total = 0;
    for (const PlannedFile& file : files) {
        if (!file.size) return std::nullopt;
        total += *file.size;
    }
    return total;
}

}  // namespace llmm::downloads
