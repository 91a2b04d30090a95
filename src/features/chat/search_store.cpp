#include "features/chat/search_store.hpp"

#include "features/chat/chat_rows_store.hpp"
#include "features/chat/words.hpp"
#include "storage/database.hpp"

#include <fmt/format.h>

namespace llmm::chat {
namespace {

using storage::Cursor;
using storage::Params;
using storage::Row;

constexpr int kIndexedAtOnce = 200;
constexpr std::size_t kHitColumns = 10;  // of kMessageColumns

// A word has no quotes or backslashes in it, so it can be quoted as it is.
std::string match_of(const WordQuery& query, storage::Dialect dialect) {
    const bool sqlite = dialect == storage::Dialect::sqlite;
    const char quote = sqlite ? '"' : '\'';
    std::string text;
    const auto add = [&](const std::string& word, std::string_view after) {
        text += fmt::format("{}{}{}{}{}", text.empty() ? "" : sqlite ? " AND " : " & ", quote, word, quote, after);
    };
    for (const std::string& word : query.words)
        add(word, "");
    if (!query.prefix.empty()) add(query.prefix, sqlite ? " *" : ":*");
    return text;
}

}  // namespace

Task<storage::Page<SearchHit>> SearchStore::search(SearchQuery query) {
    const WordQuery words = query_of(query.text);
    if (words.empty()) co_return storage::Page<SearchHit>{};
    const bool sqlite = database_.dialect() == storage::Dialect::sqlite;
    const std::string list = fmt::format("search {} {}", query.session_id ? query.session_id->str() : "", query.text);
    std::string text = fmt::format("SELECT {}, s.name, i.id FROM ", kMessageColumns);
    text += sqlite ? "chat_message_words JOIN chat_message_index i ON i.id = chat_message_words.rowid"
                   : "chat_message_index i";
    text += " JOIN chat_messages m ON m.id = i.message_id JOIN chat_sessions s ON s.id = m.session_id WHERE ";
    text += sqlite ? "chat_message_words MATCH ?" : "i.words @@ CAST(? AS TSQUERY)";
    Params params{match_of(words, database_.dialect())};
    if (query.session_id) {
        text += " AND m.session_id = ?";
        params.emplace_back(*query.session_id);
    }
    const std::string_view place = sqlite ? "chat_message_words.rowid" : "i.id";
    if (!query.cursor.empty()) {
        text += fmt::format(" AND {} < ?", place);
        params.push_back(Cursor::parse(query.cursor, list).value_param());
    }
    text += fmt::format(" ORDER BY {} DESC LIMIT ?", place);
    params.emplace_back(query.limit + 1);

    struct Found {
        SearchHit hit;
        std::int64_t place = 0;
    };
    auto found = co_await database_.read([text, params](storage::Session& sql) {
        return sql.query(
            text,
            [](const Row& row) {
                return Found{{message_from(row), row.text(kHitColumns), {}}, row.int64(kHitColumns + 1)};
            },
            params);
    });
    const auto page =
        storage::make_page(std::move(found), static_cast<std::size_t>(query.limit),
                           [&](const Found& one) { return Cursor{list, one.place, one.hit.message.id.str()}; });
    storage::Page<SearchHit> hits{{}, page.next_cursor};
    for (const Found& one : page.items) {
        hits.items.push_back(one.hit);
        SearchHit& hit = hits.items.back();
        std::string searched = hit.message.content;
        for (const Attachment& attachment : hit.message.attachments)
            searched += "\n" + attachment.name + "\n" + attachment.content;
        hit.excerpt = excerpt(searched, query.text);
    }
    co_return hits;
}

Task<std::int64_t> SearchStore::index_missing() {
    co_return co_await database_.write([](storage::Session& sql) {
        const auto messages = sql.query(
            fmt::format("SELECT {} FROM chat_messages m LEFT JOIN chat_message_index i ON i.message_id = m.id "
                        "WHERE i.id IS NULL AND m.status <> ? ORDER BY m.id LIMIT ?",
                        kMessageColumns),
            message_from, name_of(MessageStatus::streaming), kIndexedAtOnce);
        for (const Message& message : messages)
            index_message(sql, message);
        return static_cast<std::int64_t>(messages.size());
    });
}

}  // namespace llmm::chat
