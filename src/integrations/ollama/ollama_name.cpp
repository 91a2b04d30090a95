#include "integrations/ollama/ollama_name.hpp"

#include <algorithm>

namespace llmm::hubs::ollama {
namespace {

// Ollama's own limits.
constexpr std::size_t kMaxHost = 350, kMaxPart = 80;

bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool is_part(std::string_view text, std::size_t max, std::string_view also) {
    return !text.empty() && text.size() <= max && is_word(text.front()) && text.back() != '.' && !text.contains("..") &&
           std::ranges::all_of(text, [&](char c) { return is_word(c) || also.find(c) != std::string_view::npos; });
}

// "name" or "name:port"
bool is_host(std::string_view text) {
    const auto colon = text.find(':');
    const std::string_view port = colon == std::string_view::npos ? "443" : text.substr(colon + 1);
    const bool is_port = !port.empty() && port.size() <= 5 && port.front() != '0' &&
                         std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; });
    return is_port && is_part(text.substr(0, colon), kMaxHost, "-.") && !text.substr(0, colon).contains('_');
}

}  // namespace

std::optional<Name> Name::parse(std::string_view text) {
    Name name;
    const auto slash = text.rfind('/');
    const auto colon = text.rfind(':');
    if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
        name.tag = text.substr(colon + 1);
        text = text.substr(0, colon);
    }
    name.model = text.substr(slash == std::string_view::npos ? 0 : slash + 1);
    if (slash != std::string_view::npos) {
        const std::string_view before = text.substr(0, slash);
        const auto first = before.find('/');
        if (first != std::string_view::npos) {
            name.host = before.substr(0, first);
            if (!is_host(name.host)) return std::nullopt;
        }
        name.owner = before.substr(first == std::string_view::npos ? 0 : first + 1);
    }
    if (!is_part(name.owner, kMaxPart, "-") || !is_part(name.model, kMaxPart, "-.") ||
        !is_part(name.tag, kMaxPart, "-.")) {
        return std::nullopt;
    }
    return name;
}

std::string Name::str() const {
    return (host.empty() ? "" : host + "/") + owner + "/" + model + ":" + tag;
}

}  // namespace llmm::hubs::ollama
