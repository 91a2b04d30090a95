#include "features/chat/chat_routes.hpp"

#include "base/async/race.hpp"
#include "base/async/signal.hpp"
#include "features/chat/chat_json.hpp"
#include "features/chat/event_routes.hpp"
#include "features/chat/socket_routes.hpp"
#include "http/envelope.hpp"
#include "http/query.hpp"

#include <memory>

#include <boost/json.hpp>

namespace llmm::chat {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

// Proxies close streams that are silent for a minute; this also finds out who has left without a word.
constexpr auto kHeartbeat = 15s;
constexpr std::string_view kHeartbeatText = ":\n\n";
constexpr std::string_view kResumeHeader = "Last-Event-ID";

SessionId session_id_of(const http::Request& request, std::string_view parameter = "id") {
    const std::string& text = request.parameter(parameter);
    auto id = SessionId::parse(text);
    if (!id) fail(ErrorCode::session_not_found, "there is no chat session {}", "聊天会话 {} 不存在", text);
    return std::move(*id);
}

MessageId message_id_of(const http::Request& request) {
    const std::string& text = request.parameter("id");
    auto id = MessageId::parse(text);
    if (!id) fail(ErrorCode::message_not_found, "there is no message {}", "消息 {} 不存在", text);
    return std::move(*id);
}

SessionQuery parse_session_query(const http::Request& request) {
    http::QueryReader in(request);
    SessionQuery query;
    if (const auto deployment = in.text("deployment_id")) {
        query.deployment_id = DeploymentId::parse(*deployment);
        if (!query.deployment_id) in.add_problem("deployment_id", {"is no id", "不是有效的 id"}, {"a UUID", "UUID"});
    }
    query.folder = in.text("folder", 400);
    query.tag = in.text("tag", 200);
    query.sort = in.choice("sort", {"created_at", "-created_at", "updated_at", "-updated_at", "name", "-name"})
                     .value_or(query.sort);
    query.limit = in.limit();
    query.cursor = in.cursor();
    in.finish();
    return query;
}

MessageQuery parse_message_query(const http::Request& request) {
    http::QueryReader in(request);
    MessageQuery query;
    if (const auto branch = in.text("branch")) {
        query.only_branch = true;
        query.sort = "-created_at";
        if (*branch != "active") {
            query.branch_end = MessageId::parse(*branch);
            if (!query.branch_end) {
                in.add_problem("branch", {"is no branch", "不是有效的分支"},
                               {"active, or the id of a message", "active 或消息 id"});
            }
        }
    }
    query.sort = in.choice("sort", {"created_at", "-created_at"}).value_or(query.sort);
    query.limit = in.limit();
    query.cursor = in.cursor();
    in.finish();
    return query;
}

template <class T>
http::Response page_response(const http::Request& request, const storage::Page<T>& page) {
    json::array items;
    for (const T& item : page.items)
        items.push_back(to_json(item));
    return http::ok(request, http::list_json(std::move(items), page.next_cursor));
}

std::string caller_of(const http::Request& request) {
    return request.principal ? request.principal->name : std::string();
}

EventPlace parse_place(std::string_view name, std::string_view text) {
    auto place = EventPlace::parse(text);
    if (!place) {
        throw Error(ErrorCode::validation_failed, Text{"the request has bad fields", "请求字段有误"},
                    {{std::string(name), FieldProblem{Text{"is no event's id", "不是有效的事件 id"},
                                                      Text{"<message id>.<number>", "<消息 id>.<编号>"}}}});
    }
    return std::move(*place);
}

std::optional<EventPlace> place_of(const http::Request& request) {
    http::QueryReader in(request);
    const auto since = in.text("since");
    in.finish();
    return since ? std::optional(parse_place("since", *since)) : std::nullopt;
}

// Owns the view of the reply: when the client leaves, the session drops the response and this with it.
Task<> stream_events(std::shared_ptr<Reply> reply, http::Language language, http::BodyWriter& out) {
    while (!reply->is_over()) {
        while (const auto event = reply->poll())
            co_await out.write(server_sent_event(*event, language));
        if (co_await race(reply->wait(), sleep_for(kHeartbeat)) == 1) co_await out.write(kHeartbeatText);
    }
}

http::Response event_stream_of(const http::Request& request, std::shared_ptr<Reply> reply) {
    return http::event_stream(
        [reply, language = request.language](http::BodyWriter& out) { return stream_events(reply, language, out); });
}

Task<http::Response> answer(const http::Request& request, std::shared_ptr<Reply> reply, bool stream, bool detached) {
    if (stream) {
        co_await reply->begin();
        co_return event_stream_of(request, reply);
    }
    if (detached) {
        const Message message = co_await reply->stored();
        co_return http::accepted(request, to_json(message), "/api/v1/chat/messages/" + message.id.str());
    }
    co_return http::ok(request, to_json(co_await reply->finish()));
}

// The rest of a reply. An event source that has seen the end stops to come back when it gets 204.
http::Response rest_of(const http::Request& request, Reply reply) {
    if (!reply.is_over()) return event_stream_of(request, std::make_shared<Reply>(std::move(reply)));
    http::Response nothing;
    nothing.status = 204;
    return nothing;
}

}  // namespace

void ChatRoutes::add_to(http::Router& router) {
    using enum http::Method;
    using http::Router;
    const auto chat = http::Permission::chat;
    const std::string sessions = "/api/v1/chat/sessions", session = sessions + "/{id}",
                      messages = session + "/messages";
    router.add({post, sessions, chat, "createSession", Router::on(this, &ChatRoutes::create)});
    router.add({get, sessions, chat, "listSessions", Router::on(this, &ChatRoutes::list)});
    router.add({get, session, chat, "getSession", Router::on(this, &ChatRoutes::show)});
    router.add({patch, session, chat, "updateSession", Router::on(this, &ChatRoutes::update)});
    router.add({del, session, chat, "deleteSession", Router::on(this, &ChatRoutes::remove)});
    router.add({get, messages, chat, "listMessages", Router::on(this, &ChatRoutes::list_messages)});
    router.add({.method = post,
                .path = messages,
                .permission = chat,
                .operation = "createMessage",
                .handler = Router::on(this, &ChatRoutes::send),
                .body_limit = http::kLargeBody,
                .cancel_when_client_leaves = true});
    const std::string message = "/api/v1/chat/messages/{id}";
    router.add({get, message, chat, "getMessage", Router::on(this, &ChatRoutes::show_message)});
    router.add({get, message + "/siblings", chat, "listSiblings", Router::on(this, &ChatRoutes::list_siblings)});
    router.add({.method = post,
                .path = message + "/regenerate",
                .permission = chat,
                .operation = "regenerateMessage",
                .handler = Router::on(this, &ChatRoutes::regenerate),
                .cancel_when_client_leaves = true});
    router.add({.method = get,
                .path = message + "/events",
                .permission = chat,
                .operation = "watchMessage",
                .handler = Router::on(this, &ChatRoutes::watch),
                .cancel_when_client_leaves = true});
    router.add({post, message + "/stop", chat, "stopMessage", Router::on(this, &ChatRoutes::stop)});
    router.add({.method = get,
                .path = "/ws/v1/chat/{session_id}",
                .permission = chat,
                .operation = "watchChat",
                .handler = {},
                .socket_handler = Router::on_socket(this, &ChatRoutes::converse),
                .before_upgrade = Router::on_upgrade(this, &ChatRoutes::check_session)});
}

Task<http::Response> ChatRoutes::create(const http::Request& request) {
    const Session session = co_await chat_.create(parse_session_request(request.json()));
    co_return http::created(request, to_json(session), "/api/v1/chat/sessions/" + session.id.str());
}

Task<http::Response> ChatRoutes::list(const http::Request& request) {
    co_return page_response(request, co_await chat_.list(parse_session_query(request)));
}

Task<http::Response> ChatRoutes::show(const http::Request& request) {
    http::QueryReader(request).finish();
    co_return http::ok_tagged(request, to_json(co_await chat_.get(session_id_of(request))));
}

Task<http::Response> ChatRoutes::update(const http::Request& request) {
    const Session session = co_await chat_.update(session_id_of(request), parse_session_changes(request.json()));
    co_return http::ok_tagged(request, to_json(session));
}

Task<http::Response> ChatRoutes::remove(const http::Request& request) {
    const SessionId id = session_id_of(request);
    co_await chat_.remove(id);
    co_return http::ok(request, json::object{{"id", id.str()}});
}

Task<http::Response> ChatRoutes::list_messages(const http::Request& request) {
    co_return page_response(request, co_await chat_.messages(session_id_of(request), parse_message_query(request)));
}

Task<http::Response> ChatRoutes::send(const http::Request& request) {
    const SessionId id = session_id_of(request);
    // A client that repeats its request after a cut, as event sources do, gets the rest and no second reply.
    if (const auto last = request.header(kResumeHeader)) {
        const EventPlace place = parse_place(kResumeHeader, *last);
        co_return rest_of(request, co_await chat_.watch(place.message_id, place.number));
    }
    MessageRequest wanted = parse_message_request(request.json());
    auto reply =
        std::make_shared<Reply>(chat_.send(id, std::move(wanted.message), wanted.detached, caller_of(request)));
    co_return co_await answer(request, std::move(reply), wanted.stream, wanted.detached);
}

Task<http::Response> ChatRoutes::show_message(const http::Request& request) {
    http::QueryReader(request).finish();
    co_return http::ok_tagged(request, to_json(co_await chat_.message(message_id_of(request))));
}

Task<http::Response> ChatRoutes::list_siblings(const http::Request& request) {
    http::QueryReader(request).finish();
    co_return page_response(request, storage::Page<Message>{co_await chat_.siblings(message_id_of(request)), {}});
}

Task<http::Response> ChatRoutes::regenerate(const http::Request& request) {
    const MessageId id = message_id_of(request);
    if (const auto last = request.header(kResumeHeader)) {
        const EventPlace place = parse_place(kResumeHeader, *last);
        co_return rest_of(request, co_await chat_.watch(place.message_id, place.number));
    }
    const RegenerateRequest wanted = parse_regenerate_request(request.json_or_empty_object());
    auto reply = std::make_shared<Reply>(co_await chat_.regenerate(id, wanted.detached, caller_of(request)));
    co_return co_await answer(request, std::move(reply), wanted.stream, wanted.detached);
}

Task<http::Response> ChatRoutes::watch(const http::Request& request) {
    http::QueryReader(request).finish();
    const MessageId id = message_id_of(request);
    std::optional<std::uint64_t> since;
    if (const auto last = request.header(kResumeHeader)) {
        const EventPlace place = parse_place(kResumeHeader, *last);
        if (place.message_id == id) since = place.number;  // of another reply: all of this one is new
    }
    co_return rest_of(request, co_await chat_.watch(id, since));
}

Task<http::Response> ChatRoutes::stop(const http::Request& request) {
    co_return http::ok(request, to_json(co_await chat_.stop_message(message_id_of(request))));
}

Task<> ChatRoutes::check_session(const http::Request& request) {
    place_of(request);
    co_await chat_.get(session_id_of(request, "session_id"));
}

Task<> ChatRoutes::converse(const http::Request& request, http::WebSocket& socket) {
    SocketChat conversation(chat_, session_id_of(request, "session_id"), caller_of(request), request.language, socket,
                            co_await asio::this_coro::executor);
    co_await conversation.run(place_of(request));
}

}  // namespace llmm::chat
