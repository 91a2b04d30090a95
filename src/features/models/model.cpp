#include "features/models/model.hpp"

#include <utility>

namespace llmm::models {
namespace {

constexpr std::pair<Source, std::string_view> kSources[] = {
    {Source::huggingface, "huggingface"},
    {Source::ollama, "ollama"},
    {Source::modelscope, "modelscope"},
    {Source::local, "local"},
    {Source::url, "url"},
    {Source::demo, "demo"},
    {Source::external, "external"},
};
constexpr std::pair<Status, std::string_view> kStatuses[] = {{Status::remote, "remote"},
                                                             {Status::downloading, "downloading"},
                                                             {Status::ready, "ready"},
                                                             {Status::broken, "broken"}};
constexpr std::pair<Format, std::string_view> kFormats[] = {{Format::gguf, "gguf"},
                                                            {Format::safetensors, "safetensors"}};

template <class Enum, std::size_t N>
std::string_view name_in(const std::pair<Enum, std::string_view> (&rows)[N], Enum value) {
    return rows[static_cast<std::size_t>(value)].second;
}
template <class Enum, std::size_t N>
std::optional<Enum> parse_in(const std::pair<Enum, std::string_view> (&rows)[N], std::string_view text) {
    for (const auto& [value, name] : rows) {
        if (name == text) return value;
    }
    return std::nullopt;
}

}  // namespace

std::string_view name_of(Source source) {
    return name_in(kSources, source);
}
std::string_view name_of(Status status) {
    return name_in(kStatuses, status);
}
std::string_view name_of(Format format) {
    return name_in(kFormats, format);
}
std::optional<Source> parse_source(std::string_view text) {
    return parse_in(kSources, text);
}
std::optional<Status> parse_status(std::string_view text) {
    return parse_in(kStatuses, text);
}
std::optional<Format> parse_format(std::string_view text) {
    return parse_in(kFormats, text);
}

}  // namespace llmm::models
