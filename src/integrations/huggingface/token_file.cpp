#include "integrations/huggingface/token_file.hpp"

#include "base/error/error.hpp"
#include "base/fs/file.hpp"

#include <algorithm>
#include <filesystem>

namespace llmm::hubs::huggingface {
namespace {

constexpr std::size_t kMaxTokenBytes = 4096;

std::string value_of(const Environment& environment, const std::string& name) {
    return environment(name).value_or("");
}

// As HuggingFace's tools read a switch.
bool is_on(std::string text) {
    std::ranges::transform(text, text.begin(),
                           [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    return text == "1" || text == "ON" || text == "YES" || text == "TRUE";
}

std::filesystem::path token_path(const Environment& environment) {
    if (const auto path = value_of(environment, "HF_TOKEN_PATH"); !path.empty()) return path;
    if (const auto home = value_of(environment, "HF_HOME"); !home.empty()) return std::filesystem::path(home) / "token";
    if (const auto cache = value_of(environment, "XDG_CACHE_HOME"); !cache.empty())
        return std::filesystem::path(cache) / "huggingface/token";
    const auto home = value_of(environment, "HOME");
    return home.empty() ? std::filesystem::path() : std::filesystem::path(home) / ".cache/huggingface/token";
}

}  // namespace

SecretString token_of_user(const Environment& environment) {
    if (is_on(value_of(environment, "HF_HUB_DISABLE_IMPLICIT_TOKEN"))) return {};
    const std::filesystem::path path = token_path(environment);
    std::error_code ignored;
    if (path.empty() || !std::filesystem::is_regular_file(path, ignored)) return {};
    std::string text;
    try {
        text = read_text_file(path, kMaxTokenBytes);
    } catch (const Error&) {
        return {};  // a file of others is no token for us
    }
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == std::string::npos) return {};
    text = text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
    const bool is_clean = std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
    return is_clean ? SecretString(std::move(text)) : SecretString();
}

}  // namespace llmm::hubs::huggingface
