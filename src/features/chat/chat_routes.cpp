#include "features/chat/chat_routes.hpp"

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

// Owns the reply: when the client leaves, the session drops the response and the reply with it.
Task<> stream_events(std::shared_ptr<Reply> reply, http::Language language, http::BodyWriter& out) {
    while (!reply->is_over()) {
        while (const auto event = reply->poll())
            co_await out.write(server_sent_event(*event, language));
        co_await reply->wait();
    }
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
    router.add({post, "/api/v1/chat/messages/{id}/stop", chat, "stopMessage", Router::on(this, &ChatRoutes::stop)});
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
    MessageRequest wanted = parse_message_request(request.json());
    auto reply = std::make_shared<Reply>(chat_.send(id, std::move(wanted.message)));
    if (!wanted.stream) co_return http::ok(request, to_json(co_await reply->finish()));
    co_await reply->begin();
    co_return http::event_stream(
        [reply, language = request.language](http::BodyWriter& out) { return stream_events(reply, language, out); });
}

Task<http::Response> ChatRoutes::stop(const http::Request& request) {
    co_return http::ok(request, to_json(co_await chat_.stop_message(message_id_of(request))));
}

Task<> ChatRoutes::check_session(const http::Request& request) {
    co_await chat_.get(session_id_of(request, "session_id"));
}

Task<> ChatRoutes::converse(const http::Request& request, http::WebSocket& socket) {
    SocketChat conversation(chat_, session_id_of(request, "session_id"), request.language, socket,
                            co_await asio::this_coro::executor);
    co_await conversation.run();
}

}  // namespace llmm::chat
