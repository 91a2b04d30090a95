#include "features/chat/title.hpp"

#include "features/chat/engine_call.hpp"

#include <chrono>

#include <fmt/format.h>

namespace llmm::chat {
namespace {

constexpr std::size_t kShown = 1500, kMaxTitle = 80;  // bytes
constexpr std::int64_t kMaxTokens = 32;
constexpr std::chrono::seconds kWait{30};

std::string beginning(std::string_view text, std::size_t length) {
    if (text.size() <= length) return std::string(text);
    while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80)
        --length;
    return std::string(text.substr(0, length));
}

}  // namespace

std::string clean_title(std::string_view text) {
    if (const std::size_t thought = text.rfind("</think>"); thought != std::string_view::npos) {
        text.remove_prefix(thought + 8);
    } else if (text.find("<think>") != std::string_view::npos) {
        return {};  // it never came to an end
    }
    const std::size_t begin = text.find_first_not_of(" \t\r\n#*\"'`_");
    if (begin == std::string_view::npos) return {};
    text = text.substr(begin, text.find_first_of("\r\n", begin) - begin);
    std::string title;
    for (const char c : text) {
        const bool space = c == ' ' || c == '\t';
        if (static_cast<unsigned char>(c) < 0x20 && !space) continue;
        if (!space) title += c;
        if (space && !title.empty() && title.back() != ' ') title += ' ';
    }
    for (const std::string_view quote : {"“", "”", "《", "》", "「", "」"}) {
        for (std::size_t at; (at = title.find(quote)) != std::string::npos;)
            title.erase(at, quote.size());
    }
    title = beginning(title, kMaxTitle);
    title.erase(title.find_last_not_of(" .*\"'`_") + 1);
    return title;
}

Task<std::string> ask_title(const Engine& engine, std::string question, std::string answer) {
    ChatConfig config;
    config.temperature = 0;
    config.max_tokens = kMaxTokens;
    std::vector<Turn> turns{
        {Role::user, fmt::format("Give this conversation a title of at most six words, in its own "
                                 "language. Answer with the title alone.\n\nUser: {}\n\nAssistant: {}",
                                 beginning(question, kShown), beginning(answer, kShown))}};
    const std::string text = co_await ask_engine(engine, config, std::move(turns), kWait);
    co_return clean_title(text);
}

}  // namespace llmm::chat
