#include "features/chat/chat_service.hpp"

#include "base/async/race.hpp"
#include "features/chat/chat_json.hpp"
#include "features/usage/usage_store.hpp"
#include "storage/database.hpp"
#include "support/chat_rows.hpp"
#include "support/databases.hpp"
#include "support/event_loop.hpp"
#include "support/fake_engine.hpp"
#include "support/temporary_directory.hpp"

#include <gtest/gtest.h>

namespace llmm::chat {
namespace {

using namespace std::chrono_literals;

class OneEngine final : public EngineSource {
  public:
    Task<DeploymentId> find(std::string id_or_name) override {
        if (id_or_name != "tiny") fail(ErrorCode::deployment_not_found, "no {}", "没有 {}", id_or_name);
        co_return id;
    }
    Task<Engine> take(Asked wanted) override {
        asked.push_back(wanted);
        return ensure_ready(wanted.id, wanted.deadline);
    }
    Task<Engine> ensure_ready(DeploymentId, std::chrono::steady_clock::time_point) override {
        if (!upstream) fail(ErrorCode::engine_failed, "it does not start", "无法启动");
        co_return Engine{upstream, "tiny"};
    }

    const DeploymentId id = DeploymentId::generate();
    std::shared_ptr<Upstream> upstream;
    std::vector<Asked> asked;
};

class ChatServiceTest : public testing::Test {
  protected:
    void SetUp() override {
        usage_.emplace(loop_.executor(), usage_store_, home_ / "usage.journal", usage::UsageRecorder::Limits{});
        loop_.run(test::insert_deployment(*database_, engines_.id, "tiny"));
        service_.emplace(ChatService::Deps{loop_.executor(), store_, engines_, *usage_},
                         GenerationLimits{.flush_interval = 20ms, .unwatched_wait = 0ms});
        session_ = get(service_->create({"tiny", std::nullopt, {.system_prompt = "Be brief."}}));
    }
    void TearDown() override { loop_.run(service_->stop()); }

    void use_engine(const std::string& script = "", int context = 1'048'576) {
        engine_.emplace(script, context);
        engines_.upstream = engine_->upstream();
    }

    void limit(GenerationLimits limits) {
        loop_.run(service_->stop());
        service_.emplace(ChatService::Deps{loop_.executor(), store_, engines_, *usage_}, limits);
    }

    template <class T>
    T get(Task<T> task) {
        std::optional<T> result;
        loop_.run(assign(std::move(task), result));
        return std::move(*result);
    }
    static Task<> place(Task<Reply> from, std::optional<Reply>& to) { to.emplace(co_await std::move(from)); }
    Reply get(Task<Reply> task) {
        std::optional<Reply> result;
        loop_.run(place(std::move(task), result));
        return std::move(*result);
    }
    template <class T>
    Error error_of(Task<T> task) {
        try {
            get(std::move(task));
        } catch (const Error& error) {
            return error;
        }
        ADD_FAILURE() << "nothing was thrown";
        return Error(ErrorCode::internal, {});
    }

    Reply send(std::string content) { return service_->send(session_->id, {std::move(content), {}}); }
    Message stored(const MessageId& id) { return *get(store_.find(id)); }
    // Reads events until there is text, or all of them.
    static Task<> follow(Reply& reply, std::vector<ReplyEvent>& events, bool to_the_end) {
        co_await reply.begin();
        while (!reply.is_over()) {
            while (auto event = reply.poll()) {
                const bool text = std::holds_alternative<ReplyDelta>(event->body);
                events.push_back(std::move(*event));
                if (text && !to_the_end) co_return;
            }
            co_await reply.wait();
        }
    }
    std::vector<ReplyEvent> first_text(Reply& reply) {
        std::vector<ReplyEvent> events;
        loop_.run(follow(reply, events, false));
        return events;
    }
    std::vector<ReplyEvent> rest(Reply& reply) {
        std::vector<ReplyEvent> events;
        loop_.run(follow(reply, events, true));
        return events;
    }
    Task<> until_ended(MessageId id) {
        while ((co_await store_.find(id))->status == MessageStatus::streaming)
            co_await sleep_for(5ms);
        co_await service_->stop_message(id);  // comes back when the service, too, is done with it
    }

    // One column of the table, a line each.
    std::string usage_rows(const std::string& column) {
        std::string text;
        for (const auto& value : get(database_->read([column](storage::Session& sql) {
                 return sql.query("SELECT " + column + " FROM usage ORDER BY id",
                                  [](const storage::Row& row) { return row.text(0); });
             })))
            text += (text.empty() ? "" : "\n") + value;
        return text;
    }

    test::EventLoop loop_;
    test::TestDatabase database_{storage::Dialect::sqlite};
    ChatStore store_{*database_};
    usage::UsageStore usage_store_{*database_};
    test::TemporaryDirectory home_;
    std::optional<usage::UsageRecorder> usage_;
    OneEngine engines_;
    std::optional<test::FakeEngine> engine_;
    std::optional<ChatService> service_;
    std::optional<Session> session_;
};

TEST_F(ChatServiceTest, a_session_goes_to_the_instance_that_has_its_beginning_in_the_cache) {
    use_engine();
    for (const auto* question : {"one", "two"}) {
        Reply reply = send(question);
        get(reply.finish());
    }
    const Session other = get(service_->create({"tiny", std::nullopt, {}}));
    Reply reply = service_->send(other.id, {"three", {}});
    get(reply.finish());
    ASSERT_EQ(engines_.asked.size(), 3u);
    EXPECT_EQ(engines_.asked[0].prefix, session_->id.str());
    EXPECT_EQ(engines_.asked[1].prefix, session_->id.str());
    EXPECT_EQ(engines_.asked[2].prefix, other.id.str());
}

TEST_F(ChatServiceTest, a_reply_is_stored_with_what_is_known_of_it) {
    use_engine();
    Reply reply = send("What is the capital of France?");
    const Message message = get(reply.finish());
    EXPECT_EQ(message.content, "The capital of France is Paris.");
    EXPECT_EQ(message.status, MessageStatus::complete);
    const Message row = stored(message.id);
    EXPECT_EQ(row.content, message.content);
    EXPECT_EQ(row.status, MessageStatus::complete);
    EXPECT_EQ(row.metadata, message.metadata);
    EXPECT_EQ(row.metadata.finish_reason, "stop");
    EXPECT_EQ(row.metadata.model, "tiny");
    ASSERT_TRUE(row.metadata.usage);
    EXPECT_EQ(row.metadata.usage->completion_tokens, 6);
    EXPECT_GT(row.metadata.timings->time_to_first_token_ms, 0);
    EXPECT_GE(row.metadata.timings->total_ms, row.metadata.timings->time_to_first_token_ms);
    EXPECT_EQ(row.metadata.timings->tokens_per_second, 4701.4);
}

TEST_F(ChatServiceTest, the_engine_gets_the_conversation) {
    use_engine();
    Reply first = send("What is the capital of France?");
    get(first.finish());
    Reply second = send("And of Spain?");
    get(second.finish());
    EXPECT_NE(engine_->wait_for("request", 2)
                  .body.find(R"("messages":[{"role":"system","content":"Be brief."},)"
                             R"({"role":"user","content":"What is the capital of France?"},)"
                             R"({"role":"assistant","content":"The capital of France is Paris."},)"
                             R"({"role":"user","content":"And of Spain?"}],"stream":true)"),
              std::string::npos);
}

TEST_F(ChatServiceTest, events_tell_the_reply_piece_by_piece) {
    use_engine(R"("tokens":20,"ms_per_token":5)");
    Reply reply = send("Hi");
    const auto events = rest(reply);
    ASSERT_GE(events.size(), 10u);
    std::int64_t last = -1;
    for (const ReplyEvent& event : events) {
        const auto place = EventPlace::parse(event.id);
        ASSERT_TRUE(place) << event.id;
        EXPECT_EQ(place->message_id, reply.message_id());
        EXPECT_GT(static_cast<std::int64_t>(place->number), last);
        last = static_cast<std::int64_t>(place->number);
    }
    EXPECT_EQ(last % 2, 1) << "the end has an odd number";
    const auto& start = std::get<ReplyStarted>(events.front().body);
    EXPECT_EQ(start.message.status, MessageStatus::streaming);
    EXPECT_EQ(start.message.content, "");
    EXPECT_EQ(start.user_message.content, "Hi");
    std::string text;
    for (std::size_t i = 1; i + 1 < events.size(); ++i)
        text += std::get<ReplyDelta>(events[i].body).content;
    EXPECT_EQ(text, std::get<ReplyEnded>(events.back().body).message.content);
    EXPECT_TRUE(text.ends_with(" word19"));
}

TEST_F(ChatServiceTest, text_is_saved_while_it_is_written) {
    use_engine(R"("tokens":1000,"ms_per_token":5)");
    Reply reply = send("Hi");
    first_text(reply);
    loop_.run(sleep_for(200ms));
    const Message row = stored(reply.message_id());
    EXPECT_EQ(row.status, MessageStatus::streaming);
    EXPECT_TRUE(row.content.starts_with(" word0")) << row.content;
}

TEST_F(ChatServiceTest,
       without_a_time_to_come_back_the_last_client_that_leaves_closes_the_connection_to_the_engine_within_100_ms) {
    use_engine(R"("tokens":100000,"ms_per_token":5)");
    for (std::size_t i = 1; i <= 50; ++i) {
        std::optional<Reply> reply(send("Hi"));
        first_text(*reply);
        const MessageId id = reply->message_id();
        const auto left_at = std::chrono::system_clock::now();
        reply.reset();
        loop_.run(until_ended(id));
        EXPECT_LT(engine_->wait_for("client_closed", i).time - left_at, 100ms) << i;
        const Message row = stored(id);
        EXPECT_EQ(row.status, MessageStatus::partial);
        EXPECT_EQ(row.metadata.finish_reason, "cancelled");
        EXPECT_TRUE(row.content.starts_with(" word0"));
    }
}

TEST_F(ChatServiceTest, a_client_that_leaves_before_the_answer_stops_it_too) {
    use_engine(R"("first_token_ms":60000)");
    std::optional<Reply> reply(send("Hi"));
    const MessageId id = reply->message_id();
    loop_.run(sleep_for(100ms));
    engine_->wait_for("request");
    reply.reset();
    loop_.run(until_ended(id));
    engine_->wait_for("client_closed");
    EXPECT_EQ(stored(id).status, MessageStatus::partial);
}

TEST_F(ChatServiceTest, a_stop_keeps_the_text_and_ends_the_events) {
    use_engine(R"("tokens":100000,"ms_per_token":5)");
    Reply reply = send("Hi");
    first_text(reply);
    const Message stopped = get(service_->stop_message(reply.message_id()));
    EXPECT_EQ(stopped.status, MessageStatus::partial);
    EXPECT_EQ(stopped.metadata.finish_reason, "cancelled");
    EXPECT_FALSE(stopped.content.empty());
    const auto events = rest(reply);
    EXPECT_EQ(std::get<ReplyEnded>(events.back().body).message.status, MessageStatus::partial);
    EXPECT_EQ(get(service_->stop_message(stopped.id)).content, stopped.content);
    engine_->wait_for("client_closed");
    EXPECT_EQ(error_of(service_->stop_message(MessageId::generate())).code(), ErrorCode::message_not_found);
}

TEST_F(ChatServiceTest, an_engine_that_dies_leaves_the_text_and_its_error) {
    use_engine(R"("tokens":100,"crash_after_chunks":3,"ms_per_token":5)");
    Reply reply = send("Hi");
    const auto events = rest(reply);
    const auto& failed = std::get<ReplyFailed>(events.back().body);
    EXPECT_EQ(failed.error.code(), ErrorCode::engine_failed);
    const Message row = stored(failed.message_id);
    EXPECT_EQ(row.status, MessageStatus::partial);
    EXPECT_EQ(row.content, " word0 word1 word2");
    ASSERT_TRUE(row.metadata.error);
    EXPECT_EQ(row.metadata.error->error, ErrorCode::engine_failed);
    EXPECT_EQ(row.metadata.finish_reason, "error");
}

TEST_F(ChatServiceTest, an_engine_that_refuses_is_an_error_and_no_stream) {
    use_engine(R"("exceed_context":true)");
    Reply reply = send("Hi");
    std::vector<ReplyEvent> events;
    EXPECT_THROW(loop_.run(follow(reply, events, true)), Error);
    EXPECT_TRUE(events.empty());
    const Message row = stored(reply.message_id());
    EXPECT_EQ(row.status, MessageStatus::failed);
    EXPECT_EQ(row.metadata.error->error, ErrorCode::context_exceeded);
}

TEST_F(ChatServiceTest, an_engine_that_does_not_start_fails_the_message) {
    Reply reply = send("Hi");
    EXPECT_EQ(error_of(reply.finish()).code(), ErrorCode::engine_failed);
    EXPECT_EQ(stored(reply.message_id()).status, MessageStatus::failed);
}

TEST_F(ChatServiceTest, a_session_has_one_reply_at_a_time) {
    use_engine(R"("tokens":100000,"ms_per_token":5)");
    Reply reply = send("Hi");
    try {
        send("again");
        ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::state_conflict);
        EXPECT_EQ(std::get<std::string>(error.details()[1].value), reply.message_id().str());
    }
    first_text(reply);
    get(service_->stop_message(reply.message_id()));
    EXPECT_NO_THROW(send("again"));
}

TEST_F(ChatServiceTest, deleting_a_session_stops_its_reply) {
    use_engine(R"("tokens":100000,"ms_per_token":5)");
    Reply reply = send("Hi");
    first_text(reply);
    loop_.run(service_->remove(session_->id));
    engine_->wait_for("client_closed");
    EXPECT_FALSE(get(store_.find(reply.message_id())));
    EXPECT_EQ(error_of(service_->get(session_->id)).code(), ErrorCode::session_not_found);
}

TEST_F(ChatServiceTest, stopping_the_service_stores_what_was_written) {
    use_engine(R"("tokens":100000,"ms_per_token":5)");
    Reply reply = send("Hi");
    first_text(reply);
    loop_.run(service_->stop());
    EXPECT_EQ(stored(reply.message_id()).status, MessageStatus::partial);
    EXPECT_FALSE(stored(reply.message_id()).content.empty());
    EXPECT_THROW(send("again"), Error);
}

TEST_F(ChatServiceTest, start_ends_what_a_killed_run_left) {
    const auto exchange =
        get(store_.begin_exchange({session_->id, MessageId::generate(), MessageId::generate(), {"Hi", {}}}));
    loop_.run(store_.save_text(exchange.assistant.id, "half"));
    loop_.run(service_->start());
    const Message row = stored(exchange.assistant.id);
    EXPECT_EQ(row.status, MessageStatus::partial);
    EXPECT_EQ(row.metadata.error->message, "the service ended while this was being written");
    loop_.run(usage_->flush());
    EXPECT_EQ(usage_rows("id"), exchange.assistant.id.str());
    EXPECT_EQ(usage_rows("error"), usage::kInterrupted);
}

TEST_F(ChatServiceTest, a_reply_goes_on_without_watchers_and_is_watched_again_without_a_gap) {
    limit(GenerationLimits{.flush_interval = 20ms, .unwatched_wait = 60s});
    use_engine(R"("tokens":300,"ms_per_token":2)");
    std::string told;
    std::optional<std::uint64_t> place;
    std::optional<MessageId> id;
    bool ended = false;
    std::optional<Reply> reply(send("Hi"));
    id = reply->message_id();
    for (int visits = 0; !ended; ++visits) {
        ASSERT_LT(visits, 1000);
        std::vector<ReplyEvent> events;
        loop_.run(follow(*reply, events, false));
        for (const ReplyEvent& event : events) {
            if (const auto* delta = std::get_if<ReplyDelta>(&event.body)) told += delta->content;
            ended = ended || std::holds_alternative<ReplyEnded>(event.body);
            place = EventPlace::parse(event.id)->number;
        }
        reply.reset();
        loop_.run(sleep_for(std::chrono::milliseconds(visits % 7)));
        if (!ended) reply.emplace(get(service_->watch(*id, place)));
    }
    EXPECT_EQ(told, stored(*id).content);
    EXPECT_EQ(stored(*id).status, MessageStatus::complete);
    EXPECT_TRUE(get(service_->watch(*id, place)).is_over());
    Reply again = get(service_->watch(*id, std::nullopt));
    const auto replayed = rest(again);
    EXPECT_TRUE(std::holds_alternative<ReplyStarted>(replayed.front().body));
    EXPECT_EQ(std::get<ReplyDelta>(replayed[1].body).content, told);
    EXPECT_TRUE(std::holds_alternative<ReplyEnded>(replayed.back().body));
}

TEST_F(ChatServiceTest, a_place_that_was_lost_is_answered_from_the_beginning) {
    use_engine();
    Reply reply = send("What is the capital of France?");
    const Message message = get(reply.finish());
    Reply beyond = get(service_->watch(message.id, 2 * message.content.size() + 2));
    EXPECT_TRUE(std::holds_alternative<ReplyStarted>(rest(beyond).front().body));
    Reply inside = get(service_->watch(message.id, 2 * 4));
    EXPECT_EQ(std::get<ReplyDelta>(rest(inside).front().body).content, message.content.substr(4));
}

TEST_F(ChatServiceTest, many_watch_one_reply_and_any_of_them_may_leave) {
    use_engine(R"("tokens":60,"ms_per_token":5)");
    Reply first = send("Hi");
    first_text(first);
    std::optional<Reply> second(get(service_->watch(first.message_id(), std::nullopt)));
    first_text(*second);
    Reply third(std::move(*service_->watch_running(session_->id, std::nullopt)));
    second.reset();
    const auto told = rest(third);
    EXPECT_EQ(std::get<ReplyEnded>(told.back().body).message.status, MessageStatus::complete);
    EXPECT_FALSE(service_->watch_running(session_->id, std::nullopt));
}

TEST_F(ChatServiceTest, a_detached_reply_needs_nobody) {
    use_engine(R"("tokens":20,"ms_per_token":5)");
    std::optional<Reply> reply(service_->send(session_->id, {"Hi"}, true));
    const MessageId id = get(reply->stored()).id;
    reply.reset();
    loop_.run(until_ended(id));
    EXPECT_EQ(stored(id).status, MessageStatus::complete);
}

TEST_F(ChatServiceTest, a_reply_can_be_made_again_beside_the_first) {
    use_engine();
    Reply first = send("What is the capital of France?");
    const Message one = get(first.finish());
    Reply second = get(service_->regenerate(one.id));
    const Message two = get(second.finish());
    EXPECT_EQ(two.parent_id, one.parent_id);
    EXPECT_NE(two.id, one.id);
    const auto versions = get(service_->siblings(one.id));
    ASSERT_EQ(versions.size(), 2u);
    EXPECT_EQ(versions[1].id, two.id);
    EXPECT_EQ(get(service_->get(session_->id)).active_message_id, two.id);
    EXPECT_EQ(get(service_->get(session_->id)).message_count, 3);
    Reply third = get(service_->regenerate(*one.parent_id));
    EXPECT_EQ(get(third.finish()).parent_id, one.parent_id);
    EXPECT_EQ(error_of(service_->regenerate(MessageId::generate())).code(), ErrorCode::message_not_found);
}

TEST_F(ChatServiceTest, an_edit_is_a_new_branch_and_a_branch_can_be_chosen) {
    use_engine();
    Reply first = send("What is the capital of France?");
    const Message one = get(first.finish());
    Reply edited = service_->send(session_->id, {.content = "And of Spain?", .edit_of = one.parent_id});
    const Message two = get(edited.finish());
    EXPECT_FALSE(stored(*two.parent_id).parent_id);
    SessionChanges back;
    back.active_message_id = one.parent_id;
    EXPECT_EQ(get(service_->update(session_->id, back)).active_message_id, one.id);
    Reply next = send("More");
    EXPECT_EQ(stored(*get(next.finish()).parent_id).parent_id, one.id);
    back.active_message_id = MessageId::generate();
    EXPECT_EQ(error_of(service_->update(session_->id, back)).code(), ErrorCode::message_not_found);
}

TEST_F(ChatServiceTest, a_session_without_a_name_gets_one_from_its_engine) {
    limit(GenerationLimits{.flush_interval = 20ms, .titles = true});
    use_engine(R"("reply":"\"Capital of France\"")");
    Reply reply = send("What is the capital of France?");
    get(reply.finish());
    for (int i = 0; i < 400 && get(service_->get(session_->id)).name == "New chat"; ++i)
        loop_.run(sleep_for(5ms));
    EXPECT_EQ(get(service_->get(session_->id)).name, "Capital of France");
    const Session named = get(service_->create({"tiny", "Mine", {}}));
    Reply other = service_->send(named.id, {"Hi"});
    get(other.finish());
    loop_.run(sleep_for(100ms));
    EXPECT_EQ(get(service_->get(named.id)).name, "Mine");
}

TEST_F(ChatServiceTest, what_does_not_fit_is_left_out_and_the_answer_says_so) {
    use_engine(R"("reply":"yes")", 4 * 400);  // 400 tokens a slot, 4 bytes each
    for (int i = 0; i < 6; ++i) {
        Reply reply = send(std::to_string(i) + std::string(300, 'x'));
        const Message message = get(reply.finish());
        EXPECT_EQ(message.metadata.context.has_value(), i >= 3) << i;  // 100 tokens are kept for the reply
        if (const auto& context = message.metadata.context) {
            EXPECT_EQ(context->policy, ContextPolicy::drop);
            EXPECT_EQ(context->context_size, 400);
            EXPECT_EQ(context->dropped_messages, 2 * (i - 2));
            EXPECT_LE(context->prompt_tokens, 300);
            EXPECT_EQ(stored(message.id).metadata.context, context);
        }
    }
}

TEST_F(ChatServiceTest, what_does_not_fit_is_summarised_where_that_is_wanted) {
    use_engine(R"("reply":"in short")", 4 * 400);
    SessionChanges changes;
    changes.config = ChatConfig{.context_policy = ContextPolicy::summarise};
    get(service_->update(session_->id, changes));
    std::optional<Message> last;
    for (int i = 0; i < 6; ++i) {
        Reply reply = send(std::to_string(i) + std::string(300, 'x'));
        last = get(reply.finish());
    }
    ASSERT_TRUE(last->metadata.context);
    EXPECT_EQ(last->metadata.context->policy, ContextPolicy::summarise);
    EXPECT_EQ(last->metadata.context->summary, "in short");
    EXPECT_TRUE(last->metadata.context->summary_until);
    std::string prompt;
    for (const auto& entry : engine_->log()) {
        if (entry.event == "request" && entry.body.find("5xxx") != std::string::npos) prompt = entry.body;
    }
    EXPECT_NE(prompt.find("Summary of the conversation so far:\\nin short"), std::string::npos) << prompt;
    EXPECT_EQ(prompt.find("0xxx"), std::string::npos);
}

TEST_F(ChatServiceTest, under_the_policy_error_the_engine_has_the_last_word) {
    use_engine(R"("reply":"yes")", 4 * 200);
    SessionChanges changes;
    changes.config = ChatConfig{.context_policy = ContextPolicy::error};
    get(service_->update(session_->id, changes));
    Reply first = send(std::string(500, 'x'));
    get(first.finish());
    Reply second = send(std::string(500, 'y'));
    EXPECT_EQ(error_of(second.finish()).code(), ErrorCode::context_exceeded);
}

TEST_F(ChatServiceTest, what_is_not_there_is_named) {
    EXPECT_EQ(error_of(service_->create({"none", {}, {}})).code(), ErrorCode::deployment_not_found);
    EXPECT_EQ(error_of(service_->update(SessionId::generate(), {})).code(), ErrorCode::session_not_found);
    EXPECT_EQ(error_of(service_->messages(SessionId::generate(), {})).code(), ErrorCode::session_not_found);
    Reply lost = service_->send(SessionId::generate(), {"Hi", {}});
    EXPECT_EQ(error_of(lost.finish()).code(), ErrorCode::session_not_found);
    Reply orphan = service_->send(session_->id, {"Hi", MessageId::generate()});
    EXPECT_EQ(error_of(orphan.finish()).code(), ErrorCode::message_not_found);
}

}  // namespace
}  // namespace llmm::chat
