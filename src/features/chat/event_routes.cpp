#include "features/chat/event_routes.hpp"

#include "features/chat/chat_json.hpp"
#include "http/envelope.hpp"
#include "http/response.hpp"

#include <boost/json.hpp>

namespace llmm::chat {
namespace {

namespace json = boost::json;

constexpr std::string_view kErrorType = "error";

std::string_view type_of(const ReplyStarted&) {
    return "message.start";
}
std::string_view type_of(const ReplyQueued&) {
    return "message.queued";
}
std::string_view type_of(const ReplyDelta&) {
    return "message.delta";
}
std::string_view type_of(const ReplyEnded&) {
    return "message.end";
}
std::string_view type_of(const ReplyFailed&) {
    return kErrorType;
}

json::object failure_json(const Error& error, json::value message_id, http::Language language) {
    json::object data{{"message_id", std::move(message_id)}};
    for (auto& member : http::error_json(error, language))
        data.insert(member);
    return data;
}

json::value data_of(const auto& body, http::Language) {
    return to_json(body);
}
json::value data_of(const ReplyFailed& body, http::Language language) {
    return failure_json(body.error, json::value(body.message_id.str()), language);
}

}  // namespace

std::string server_sent_event(const ReplyEvent& event, http::Language language) {
    return std::visit(
        [&](const auto& body) {
            return http::server_sent_event(type_of(body), event.id, json::serialize(data_of(body, language)));
        },
        event.body);
}

std::string socket_frame(const ReplyEvent& event, http::Language language) {
    return std::visit(
        [&](const auto& body) {
            json::value id = event.id.empty() ? json::value(nullptr) : json::value(event.id);
            return json::serialize(
                json::object{{"type", type_of(body)}, {"id", std::move(id)}, {"data", data_of(body, language)}});
        },
        event.body);
}

std::string socket_frame(const Error& error, http::Language language) {
    return json::serialize(
        json::object{{"type", kErrorType}, {"id", nullptr}, {"data", failure_json(error, nullptr, language)}});
}

}  // namespace llmm::chat
