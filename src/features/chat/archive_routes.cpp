#include "features/chat/archive_routes.hpp"

#include "features/chat/archive_json.hpp"
#include "features/chat/chat_json.hpp"
#include "http/envelope.hpp"
#include "http/query.hpp"

#include <algorithm>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace llmm::chat {
namespace {

namespace json = boost::json;

constexpr int kPage = 200;  // messages at once

// What is written before the first message, between two and after the last.
struct Pieces {
    std::string head, between, tail;
};

// A session may be larger than what anybody wants in memory at once, so it is written page by page. JSON has the whole
// tree; Markdown, which is for reading, the active branch.
Task<> write_messages(ChatService& chat, SessionId id, ExportFormat format, Pieces pieces, http::BodyWriter& out) {
    co_await out.write(pieces.head);
    const bool all = format == ExportFormat::json;
    const auto branch = all ? std::vector<MessageId>() : co_await chat.active_branch(id);
    MessageQuery query{.limit = kPage};
    bool first = true;
    do {
        const auto page = co_await chat.messages(id, query);
        std::string text;
        for (const Message& message : page.items) {
            if (!all && !std::binary_search(branch.begin(), branch.end(), message.id)) continue;
            if (!first) text += pieces.between;
            first = false;
            text += all ? json::serialize(to_json(message)) : to_markdown(message);
        }
        co_await out.write(text);
        query.cursor = page.next_cursor.value_or("");
    } while (!query.cursor.empty());
    co_await out.write(pieces.tail);
}

// The envelope around a session without messages, cut where they belong. Inside of strings quotes are escaped, so the
// place can't be mistaken.
Pieces cut(const std::string& envelope) {
    constexpr std::string_view place = "\"messages\":[";
    const std::size_t at = envelope.find(place) + place.size();
    return {envelope.substr(0, at), ",", envelope.substr(at)};
}

}  // namespace

void ArchiveRoutes::add_to(http::Router& router) {
    using enum http::Method;
    using http::Router;
    const auto chat = http::Permission::chat;
    router.add({get, "/api/v1/chat/search", chat, "searchMessages", Router::on(this, &ArchiveRoutes::search)});
    router.add({get, "/api/v1/chat/sessions/{id}/export", chat, "exportSession",
                Router::on(this, &ArchiveRoutes::export_session)});
    router.add({.method = post,
                .path = "/api/v1/chat/sessions/import",
                .permission = chat,
                .operation = "importSession",
                .handler = Router::on(this, &ArchiveRoutes::import_session),
                .body_limit = http::kLargeBody});
}

Task<http::Response> ArchiveRoutes::search(const http::Request& request) {
    http::QueryReader in(request);
    SearchQuery query{.text = in.required_text("q", 200)};
    if (const auto session = in.text("session_id")) {
        query.session_id = SessionId::parse(*session);
        if (!query.session_id) in.add_problem("session_id", {"is no id", "不是有效的 id"}, {"a UUID", "UUID"});
    }
    query.limit = in.limit();
    query.cursor = in.cursor();
    in.finish();
    const auto page = co_await archive_.search(std::move(query));
    json::array items;
    for (const SearchHit& hit : page.items)
        items.push_back(to_json(hit));
    co_return http::ok(request, http::list_json(std::move(items), page.next_cursor));
}

Task<http::Response> ArchiveRoutes::export_session(const http::Request& request) {
    http::QueryReader in(request);
    const bool markdown = in.choice("format", {"json", "markdown"}).value_or("json") == "markdown";
    in.finish();
    auto id = SessionId::parse(request.parameter("id"));
    if (!id) {
        fail(ErrorCode::session_not_found, "there is no chat session {}", "聊天会话 {} 不存在",
             request.parameter("id"));
    }
    const Session session = co_await chat_.get(*id);
    const ExportFormat format = markdown ? ExportFormat::markdown : ExportFormat::json;
    http::Response response = http::ok(request, to_archive_json(session));
    Pieces pieces = markdown ? Pieces{to_markdown(session), "", ""} : cut(response.body);
    response.body.clear();
    if (markdown) response.headers = {{"Content-Type", "text/markdown; charset=utf-8"}};
    response.headers.push_back(
        {"Content-Disposition", fmt::format("attachment; filename=\"{}\"", file_name_for(session, format))});
    response.stream = [chat = &chat_, id = *id, format, pieces = std::move(pieces)](http::BodyWriter& out) {
        return write_messages(*chat, id, format, pieces, out);
    };
    co_return response;
}

Task<http::Response> ArchiveRoutes::import_session(const http::Request& request) {
    http::QueryReader in(request);
    auto deployment = in.text("deployment_id", 128);
    in.finish();
    const Session session = co_await archive_.import(parse_archive(request.json()), std::move(deployment));
    co_return http::created(request, to_json(session), "/api/v1/chat/sessions/" + session.id.str());
}

}  // namespace llmm::chat
