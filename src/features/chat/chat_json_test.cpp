#include "features/chat/chat_json.hpp"

#include "base/json/json.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace llmm::chat {
namespace {

// The names of the fields that are refused.
std::vector<std::string> problems_of(const auto& call) {
    std::vector<std::string> names;
    try {
        call();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::validation_failed);
        for (const Detail& detail : error.details())
            names.push_back(detail.name);
    }
    return names;
}

std::vector<std::string> config_problems(const std::string& config) {
    return problems_of(
        [&] { parse_session_request(parse_json(R"({"deployment_id":"tiny","config":)" + config + "}")); });
}

TEST(ChatJson, takes_a_configuration_up_to_its_bounds) {
    const std::string least = R"({"temperature":0,"top_p":0,"top_k":0,"min_p":0,"max_tokens":1,"stop":[],"seed":0,)"
                              R"("presence_penalty":-2,"frequency_penalty":-2,"repeat_penalty":0,"system_prompt":""})";
    const std::string most =
        R"({"temperature":2,"top_p":1,"top_k":1000,"min_p":1,"max_tokens":1048576,"seed":4294967295,)"
        R"("presence_penalty":2,"frequency_penalty":2,"repeat_penalty":2})";
    EXPECT_TRUE(config_problems(least).empty());
    EXPECT_TRUE(config_problems(most).empty());
}

TEST(ChatJson, refuses_a_configuration_beyond_its_bounds) {
    const std::pair<const char*, const char*> cases[] = {{"temperature", "2.01"},
                                                         {"temperature", "-0.1"},
                                                         {"top_p", "1.1"},
                                                         {"top_k", "1001"},
                                                         {"top_k", "1.5"},
                                                         {"min_p", "-1"},
                                                         {"max_tokens", "0"},
                                                         {"max_tokens", "1048577"},
                                                         {"seed", "-1"},
                                                         {"seed", "4294967296"},
                                                         {"stop", "7"},
                                                         {"presence_penalty", "2.1"},
                                                         {"frequency_penalty", "-2.1"},
                                                         {"repeat_penalty", "2.5"},
                                                         {"model", "\"x\""},
                                                         {"system_prompt", "7"}};
    for (const auto& [name, value] : cases) {
        EXPECT_EQ(config_problems(std::string("{\"") + name + "\":" + value + "}"),
                  std::vector<std::string>{std::string("config.") + name})
            << value;
    }
    EXPECT_EQ(config_problems(R"({"stop":["a",""]})"), std::vector<std::string>{"config.stop.1"});
    EXPECT_EQ(config_problems(R"({"system_prompt":")" + std::string(65537, 'x') + "\"}").size(), 1u);
}

TEST(ChatJson, a_change_names_at_least_one_field_and_none_is_null) {
    const auto changes = [](const char* body) { return problems_of([&] { parse_session_changes(parse_json(body)); }); };
    EXPECT_TRUE(changes(R"({"name":"x"})").empty());
    EXPECT_EQ(changes("{}"), std::vector<std::string>{""});
    EXPECT_EQ(changes(R"({"name":null})"), std::vector<std::string>{"name"});
    EXPECT_EQ(changes(R"({"name":""})"), std::vector<std::string>{"name"});
    EXPECT_EQ(changes(R"({"title":"x"})"), std::vector<std::string>{"title"});
}

TEST(ChatJson, a_message_has_text_and_a_possible_parent) {
    const auto message = [](const std::string& body) {
        return problems_of([&] { parse_message_request(parse_json(body)); });
    };
    EXPECT_TRUE(message(R"({"content":"Hi","stream":true,"parent_id":null})").empty());
    EXPECT_EQ(message("{}"), std::vector<std::string>{"content"});
    EXPECT_EQ(message(R"({"content":""})"), std::vector<std::string>{"content"});
    EXPECT_EQ(message(R"({"content":"a\u0000b"})"), std::vector<std::string>{"content"});
    EXPECT_EQ(message(R"({"content":")" + std::string(200'001, 'x') + "\"}"), std::vector<std::string>{"content"});
    EXPECT_EQ(message(R"({"content":"Hi","parent_id":"7"})"), std::vector<std::string>{"parent_id"});
    EXPECT_EQ(message(R"({"content":"Hi","stream":1})"), std::vector<std::string>{"stream"});
    const std::string id = MessageId::generate().str();
    EXPECT_EQ(message(R"({"content":"Hi","parent_id":")" + id + R"(","edit_of":")" + id + "\"}"),
              std::vector<std::string>{"parent_id"});
    EXPECT_TRUE(message(R"({"content":"Hi","attachments":[{"name":"a.txt","content":"text"}]})").empty());
    EXPECT_EQ(message(R"({"content":"Hi","attachments":[{"name":"","content":"text","size":4}]})").size(), 2u);
    EXPECT_EQ(message(R"({"content":"Hi","attachments":[{"name":"a","content":")" + std::string(200'000, 'x') +
                      R"("},{"name":"b","content":")" + std::string(100'000, 'x') + "\"}]}"),
              std::vector<std::string>{"attachments"});
}

TEST(ChatJson, a_command_is_a_message_or_a_stop) {
    EXPECT_TRUE(std::holds_alternative<StopCommand>(parse_chat_command(R"({"type":"stop"})")));
    EXPECT_EQ(std::get<NewMessage>(parse_chat_command(R"({"type":"message","content":"Hi"})")).content, "Hi");
    for (const char* bad : {R"({"type":"stop","content":"Hi"})", R"({"type":"go"})", R"({"content":"Hi"})", "7",
                            R"({"type":"message"})", R"({"type":"message","content":"Hi","stream":true})"}) {
        EXPECT_FALSE(problems_of([&] { parse_chat_command(bad); }).empty()) << bad;
    }
}

TEST(ChatJson, columns_come_back_as_they_were) {
    ChatConfig config{.system_prompt = "Be \"brief\".\n", .temperature = 0.7, .top_p = 1.0, .min_p = 0.05};
    config.max_tokens = 256;
    config.stop = {"a", "é"};
    config.repeat_penalty = 1.1;
    EXPECT_EQ(config_from_text(to_text(config)), config);
    EXPECT_EQ(config_from_text("{}"), ChatConfig{});
    const Metadata metadata{
        .usage = Usage{1, std::nullopt, 3},
        .timings = Timings{41.5, 210.0, std::nullopt},
        .finish_reason = "stop",
        .model = "tiny",
        .error = MessageFailure{ErrorCode::engine_failed, "gone"},
        .context = ContextUse{ContextPolicy::summarise, 512, 300, 4, "short", MessageId::generate()}};
    EXPECT_EQ(metadata_from_text(to_text(metadata)), metadata);
    EXPECT_EQ(to_text(Metadata{}), "{}");
}

TEST(Chat, a_place_comes_back_as_it_was) {
    const EventPlace place{MessageId::generate(), 17};
    const auto parsed = EventPlace::parse(place.str());
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->message_id, place.message_id);
    EXPECT_EQ(parsed->number, 17u);
    const std::string id = place.message_id.str();
    const std::vector<std::string> all{
        "", ".", "x.1", "1", id, id + ".", id + ".-1", id + ".1x", id + ".99999999999999999999"};
    for (const std::string& bad : all) {
        EXPECT_FALSE(EventPlace::parse(bad)) << bad;
    }
}

TEST(Chat, attachments_follow_the_text_in_fences) {
    Message message{.id = MessageId::generate(), .session_id = SessionId::generate(), .content = "Look:"};
    message.attachments = {{"a.md", "```\ncode\n```"}};
    EXPECT_EQ(make_prompt({}, {message}).front().content, "Look:\n\na.md:\n````\n```\ncode\n```\n````");
}

TEST(Chat, the_prompt_is_the_system_prompt_and_the_chain_without_empty_replies) {
    const auto message = [](Role role, const char* content, MessageStatus status) {
        return Message{.id = MessageId::generate(),
                       .session_id = SessionId::generate(),
                       .role = role,
                       .content = content,
                       .status = status};
    };
    const std::vector<Message> chain{
        message(Role::user, "1", MessageStatus::complete), message(Role::assistant, "", MessageStatus::failed),
        message(Role::user, "2", MessageStatus::complete), message(Role::assistant, "half", MessageStatus::partial),
        message(Role::user, "3", MessageStatus::complete)};
    EXPECT_EQ(make_prompt({.system_prompt = "Be brief."}, chain), (std::vector<Turn>{{Role::system, "Be brief."},
                                                                                     {Role::user, "1"},
                                                                                     {Role::user, "2"},
                                                                                     {Role::assistant, "half"},
                                                                                     {Role::user, "3"}}));
}

}  // namespace
}  // namespace llmm::chat
