#include "base/error/error.hpp"
#include "base/json/json.hpp"
#include "features/chat/archive_json.hpp"
#include "features/chat/words.hpp"
#include "fuzz/fuzz_target.hpp"

#include <set>

#include <boost/json.hpp>

// A file that somebody imports, and any text that is searched.
LLMM_FUZZ_TARGET(chat_archive)(std::span<const std::byte> data) {
    using namespace llmm::chat;
    const std::string_view text = llmm::fuzz::as_text(data);
    for (const std::string& word : words_of(text)) {
        llmm::fuzz::check(!word.empty() && word.size() <= 96, "a word has bounds");
        llmm::fuzz::check(word.find_first_of("'\"\\ \t\r\n&|!:*()") == std::string::npos,
                          "a word can be quoted as it is");
    }
    query_of(text);
    excerpt(text, text.substr(0, 16));
    llmm::fuzz::check(!EventPlace::parse(text) || EventPlace::parse(text)->str().size() <= text.size() + 1,
                      "a place is written as it is read");
    try {
        const ArchivedSession session = parse_archive(llmm::parse_json(text));
        std::set<std::string> seen;
        for (const ArchivedMessage& message : session.messages) {
            llmm::fuzz::check(!message.parent_id || seen.contains(*message.parent_id), "parents come first");
            llmm::fuzz::check(seen.insert(message.id).second, "an id is there once");
        }
        llmm::fuzz::check(!session.active_message_id || seen.contains(*session.active_message_id), "the branch exists");
    } catch (const llmm::Error& error) {
        llmm::fuzz::check(
            error.code() == llmm::ErrorCode::malformed_json || error.code() == llmm::ErrorCode::validation_failed,
            "a bad file is the sender's mistake");
    }
}
