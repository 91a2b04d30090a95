#include "features/chat/chat_store.hpp"

#include "base/async/race.hpp"
#include "features/chat/search_store.hpp"
#include "support/chat_rows.hpp"
#include "support/databases.hpp"
#include "support/event_loop.hpp"

#include <iostream>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace llmm::chat {
namespace {

class ChatStoreTest : public test::OnEachDatabase {
  protected:
    void SetUp() override { loop_.run(test::insert_deployment(*database_, deployment_, "tiny")); }

    template <class T>
    T get(Task<T> task) {
        std::optional<T> result;
        loop_.run(assign(std::move(task), result));
        return std::move(*result);
    }

    Session add_session(std::string name) {
        Session session{.id = SessionId::generate(), .deployment_id = deployment_, .name = std::move(name)};
        session.config.temperature = 0.5;
        session.created_at = session.updated_at = now();
        loop_.run(store_.insert(session));
        return session;
    }

    Exchange exchange(const SessionId& session, std::string content, std::optional<MessageId> parent = {}) {
        MessageId user = MessageId::generate(), reply = MessageId::generate();
        return get(store_.begin_exchange({session, user, reply, {std::move(content), std::move(parent)}}));
    }

    ErrorCode code_of(Task<> task) {
        try {
            loop_.run(std::move(task));
        } catch (const Error& error) {
            return error.code();
        }
        ADD_FAILURE() << "nothing was thrown";
        return ErrorCode::internal;
    }
    ErrorCode exchange_code(SessionId session, std::optional<MessageId> parent) {
        std::optional<Exchange> ignored;
        return code_of(assign(
            store_.begin_exchange({session, MessageId::generate(), MessageId::generate(), {"x", parent}}), ignored));
    }

    test::EventLoop loop_;
    test::TestDatabase database_{GetParam()};
    ChatStore store_{*database_};
    const DeploymentId deployment_ = DeploymentId::generate();
};
LLMM_ON_EACH_DATABASE(ChatStoreTest);

TEST_P(ChatStoreTest, keeps_a_session) {
    Session session = add_session("Ünïcode 模型");
    session.name = "second";
    session.config = {.system_prompt = "Be brief."};
    EXPECT_TRUE(get(store_.update(session)));
    const auto found = get(store_.find(session.id));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->name, "second");
    EXPECT_EQ(found->config, session.config);
    EXPECT_EQ(found->deployment_id, deployment_);
    EXPECT_EQ(found->created_at, session.created_at);
    EXPECT_TRUE(get(store_.remove(session.id)));
    EXPECT_FALSE(get(store_.remove(session.id)));
    EXPECT_FALSE(get(store_.update(session)));
    EXPECT_FALSE(get(store_.find(session.id)));
}

TEST_P(ChatStoreTest, a_session_needs_a_deployment_that_is_there) {
    Session session = add_session("x");
    session.deployment_id = DeploymentId::generate();
    std::optional<bool> ignored;
    EXPECT_EQ(code_of(assign(store_.update(session), ignored)), ErrorCode::deployment_not_found);
    session.id = SessionId::generate();
    EXPECT_EQ(code_of(store_.insert(session)), ErrorCode::deployment_not_found);
}

TEST_P(ChatStoreTest, pages_through_sessions_in_every_order) {
    for (const char* name : {"b", "a", "d", "c", "a"})
        add_session(name);
    for (const std::string sort : {"created_at", "-created_at", "updated_at", "-updated_at", "name", "-name"}) {
        for (const bool filtered : {false, true}) {
            SessionQuery query{.sort = sort, .limit = 2};
            if (filtered) query.deployment_id = deployment_;
            std::vector<Session> all;
            int pages = 0;
            do {
                auto page = get(store_.list(query));
                std::move(page.items.begin(), page.items.end(), std::back_inserter(all));
                query.cursor = page.next_cursor.value_or("");
                ASSERT_LE(++pages, 3);
            } while (!query.cursor.empty());
            ASSERT_EQ(all.size(), 5u) << sort;
            std::string names;
            for (const Session& session : all)
                names += session.name;
            if (sort == "name") EXPECT_EQ(names, "aabcd");
            if (sort == "-name") EXPECT_EQ(names, "dcbaa");
            if (sort == "created_at") EXPECT_EQ(names, "badca");
            if (sort == "-created_at") EXPECT_EQ(names, "acdab");
        }
    }
    SessionQuery other;
    other.deployment_id = DeploymentId::generate();
    EXPECT_TRUE(get(store_.list(other)).items.empty());
}

TEST_P(ChatStoreTest, a_cursor_belongs_to_its_filter) {
    for (int i = 0; i < 3; ++i)
        add_session("x");
    SessionQuery query{.limit = 1};
    query.cursor = *get(store_.list(query)).next_cursor;
    query.deployment_id = deployment_;
    std::optional<storage::Page<Session>> ignored;
    EXPECT_EQ(code_of(assign(store_.list(query), ignored)), ErrorCode::validation_failed);
}

TEST_P(ChatStoreTest, an_exchange_follows_the_newest_message_or_the_one_that_is_named) {
    const Session session = add_session("x");
    Exchange first = exchange(session.id, "one");
    EXPECT_FALSE(first.user.parent_id);
    EXPECT_EQ(first.assistant.parent_id, first.user.id);
    EXPECT_EQ(first.chain.size(), 1u);
    EXPECT_EQ(first.session.config.temperature, 0.5);
    first.assistant.content = "eins";
    first.assistant.status = MessageStatus::complete;
    first.assistant.metadata.finish_reason = "stop";
    loop_.run(store_.finish(first.assistant));

    const Exchange second = exchange(session.id, "two");
    EXPECT_EQ(second.user.parent_id, first.assistant.id);
    ASSERT_EQ(second.chain.size(), 3u);
    EXPECT_EQ(second.chain[0].content, "one");
    EXPECT_EQ(second.chain[1].content, "eins");
    EXPECT_EQ(second.chain[1].metadata.finish_reason, "stop");
    EXPECT_EQ(second.chain[2].content, "two");

    const Exchange branch = exchange(session.id, "other", first.user.id);
    ASSERT_EQ(branch.chain.size(), 2u);
    EXPECT_EQ(branch.chain[0].id, first.user.id);
    EXPECT_EQ(get(store_.find(session.id))->message_count, 6);
}

TEST_P(ChatStoreTest, an_exchange_that_is_refused_leaves_nothing) {
    const Session session = add_session("x"), other = add_session("y");
    const Exchange theirs = exchange(other.id, "one");
    EXPECT_EQ(exchange_code(session.id, theirs.user.id), ErrorCode::message_not_found);
    EXPECT_EQ(exchange_code(SessionId::generate(), std::nullopt), ErrorCode::session_not_found);
    EXPECT_EQ(get(store_.find(session.id))->message_count, 0);
    EXPECT_TRUE(get(store_.list(session.id, MessageQuery{})).items.empty());
}

TEST_P(ChatStoreTest, pages_through_messages_both_ways) {
    const Session session = add_session("x");
    for (const char* text : {"1", "2", "3"})
        exchange(session.id, text);
    for (const std::string sort : {"created_at", "-created_at"}) {
        MessageQuery query{.sort = sort, .limit = 4};
        std::string users;
        do {
            const auto page = get(store_.list(session.id, query));
            for (const Message& message : page.items)
                users += message.content;
            query.cursor = page.next_cursor.value_or("");
        } while (!query.cursor.empty());
        EXPECT_EQ(users, sort == "created_at" ? "123" : "321");
    }
}

TEST_P(ChatStoreTest, ends_what_was_left_streaming) {
    const Session session = add_session("x");
    const Exchange empty = exchange(session.id, "1"), begun = exchange(session.id, "2"),
                   done = exchange(session.id, "3");
    loop_.run(store_.save_text(begun.assistant.id, "half"));
    Message finished = done.assistant;
    finished.status = MessageStatus::complete;
    finished.content = "whole";
    loop_.run(store_.finish(finished));
    loop_.run(store_.save_text(finished.id, "late"));

    EXPECT_EQ(get(store_.end_abandoned({ErrorCode::internal, "ended"})).size(), 2u);
    EXPECT_EQ(get(store_.find(empty.assistant.id))->status, MessageStatus::failed);
    const auto partial = get(store_.find(begun.assistant.id));
    EXPECT_EQ(partial->status, MessageStatus::partial);
    EXPECT_EQ(partial->content, "half");
    EXPECT_EQ(partial->metadata.error, (MessageFailure{ErrorCode::internal, "ended"}));
    EXPECT_EQ(get(store_.find(finished.id))->content, "whole");
    EXPECT_TRUE(get(store_.end_abandoned({ErrorCode::internal, "ended"})).empty());
}

TEST_P(ChatStoreTest, folders_and_tags_filter_the_list) {
    Session work = add_session("a"), home = add_session("b");
    add_session("c");
    work.folder = "工作";
    work.tags = {"x", "y"};
    home.tags = {"y"};
    EXPECT_TRUE(get(store_.update(work)) && get(store_.update(home)));
    const auto names = [&](SessionQuery query) {
        query.sort = "name";
        std::string all;
        for (const Session& session : get(store_.list(query)).items)
            all += session.name;
        return all;
    };
    EXPECT_EQ(names({.folder = "工作"}), "a");
    EXPECT_EQ(names({.folder = ""}), "bc");
    EXPECT_EQ(names({.tag = "y"}), "ab");
    EXPECT_EQ(names({.folder = "工作", .tag = "x"}), "a");
    EXPECT_EQ(names({.tag = "z"}), "");
    EXPECT_EQ(get(store_.find(work.id))->tags, work.tags);
    work.tags = {"z"};
    EXPECT_TRUE(get(store_.update(work)));
    EXPECT_EQ(names({.tag = "x"}), "");
}

TEST_P(ChatStoreTest, a_branch_is_listed_alone_and_the_leaf_is_found_below) {
    const Session session = add_session("x");
    const Exchange first = exchange(session.id, "1"), second = exchange(session.id, "2");
    const Exchange other = exchange(session.id, "3", first.assistant.id);
    const auto users = [&](MessageQuery query) {
        std::string all;
        query.only_branch = true;
        query.limit = 1;
        do {
            const auto page = get(store_.list(session.id, query));
            for (const Message& message : page.items)
                all += message.content;
            query.cursor = page.next_cursor.value_or("");
        } while (!query.cursor.empty());
        return all;
    };
    EXPECT_EQ(users({.sort = "-created_at"}), "31");
    EXPECT_EQ(users({.sort = "created_at"}), "13");
    EXPECT_EQ(users({.sort = "created_at", .branch_end = second.user.id}), "12");
    EXPECT_EQ(get(store_.active_branch(session.id)),
              (std::vector<MessageId>{first.user.id, first.assistant.id, other.user.id, other.assistant.id}));
    loop_.run(store_.choose_branch(session.id, second.user.id));
    EXPECT_EQ(get(store_.find(session.id))->active_message_id, second.assistant.id);
    EXPECT_EQ(users({.sort = "created_at"}), "12");
    loop_.run(store_.choose_branch(session.id, first.user.id));
    EXPECT_EQ(get(store_.find(session.id))->active_message_id, other.assistant.id) << "the newest one below";
}

TEST_P(ChatStoreTest, messages_are_found_by_their_words) {
    SearchStore search(*database_);
    const Session session = add_session("Talk"), other = add_session("Other");
    Exchange first = exchange(session.id, "今天我们讨论大语言模型的部署");
    first.assistant.content = "Gladly: which engine do you use?";
    first.assistant.status = MessageStatus::complete;
    loop_.run(store_.finish(first.assistant));
    exchange(other.id, "模型 engine's weights");
    const auto hits = [&](SearchQuery query) {
        std::string all;
        query.limit = 1;
        do {
            const auto page = get(search.search(query));
            for (const SearchHit& hit : page.items)
                all += (all.empty() ? "" : "|") + hit.session_name + ":" + hit.message.content.substr(0, 6);
            query.cursor = page.next_cursor.value_or("");
        } while (!query.cursor.empty());
        return all;
    };
    EXPECT_EQ(hits({"语言模型"}), "Talk:今天");
    EXPECT_EQ(hits({"模型"}), "Other:模型|Talk:今天");
    EXPECT_EQ(hits({"模型", session.id}), "Talk:今天");
    EXPECT_EQ(hits({"ENGI"}), "Other:模型|Talk:Gladly");
    EXPECT_EQ(hits({"engine gladly"}), "Talk:Gladly");
    EXPECT_EQ(hits({"weights' OR \"x\" * AND NEAR("}), "");
    EXPECT_EQ(hits({"…"}), "");
    EXPECT_EQ(get(search.search({"语言模型"})).items.front().excerpt, "今天我们讨论大语言模型的部署");
    EXPECT_TRUE(get(store_.remove(other.id)));
    EXPECT_EQ(hits({"模型"}), "Talk:今天");
}

TEST_P(ChatStoreTest, what_is_not_indexed_yet_is_found_later) {
    SearchStore search(*database_);
    const Session session = add_session("x");
    const Exchange left = exchange(session.id, "question");
    loop_.run(store_.save_text(left.assistant.id, "half an answer"));
    EXPECT_EQ(get(search.index_missing()), 0) << "it is still being written";
    EXPECT_EQ(get(store_.end_abandoned({ErrorCode::internal, "ended"})).size(), 1u);
    EXPECT_EQ(get(search.index_missing()), 1);
    EXPECT_EQ(get(search.index_missing()), 0);
    EXPECT_EQ(get(search.search({"half"})).items.size(), 1u);
}

// 100,000 messages in one branch, made by the database itself.
Task<> fill(storage::Database& database, SessionId session, MessageId last) {
    co_await database.write([session, last](storage::Session& sql) {
        const auto id = [&](std::string_view number) {
            return sql.dialect() == storage::Dialect::sqlite
                       ? fmt::format("'01900000-0000-7000-8000-' || substr('000000000000' || ({}), -12)", number)
                       : fmt::format("'01900000-0000-7000-8000-' || lpad(CAST({} AS TEXT), 12, '0')", number);
        };
        sql.execute(
            fmt::format("WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 100000) "
                        "INSERT INTO chat_messages (id, session_id, parent_id, role, content, status, created_at, "
                        "updated_at, depth) SELECT {}, ?, CASE WHEN n > 1 THEN {} END, CASE WHEN n % 2 = 1 THEN 'user' "
                        "ELSE 'assistant' END, 'message number ' || CAST(n AS TEXT), 'complete', 0, 0, n FROM numbers",
                        id("n"), id("n - 1")),
            session);
        sql.execute("UPDATE chat_sessions SET active_message_id = ?, message_count = 100000 WHERE id = ?", last,
                    session);
        if (sql.dialect() == storage::Dialect::postgresql) sql.execute("ANALYZE chat_messages");
    });
}

TEST_P(ChatStoreTest, a_page_of_100000_messages_is_as_fast_as_one_of_few) {
    const Session copy = add_session("long");
    const auto id = [](int number) {
        return MessageId::trusted(fmt::format("01900000-0000-7000-8000-{:012}", number));
    };
    const MessageId parent = id(100'000);
    loop_.run(fill(*database_, copy.id, parent));
    const auto timed = [&](MessageQuery query) {
        const auto begin = std::chrono::steady_clock::now();
        const auto page = get(store_.list(copy.id, std::move(query)));
        EXPECT_EQ(page.items.size(), 50u);
        return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    };
    const auto middle = storage::Cursor{"created_at " + copy.id.str(), 0, id(50'000).str()}.encode();
    std::vector<std::pair<std::string, double>> times{{"first", timed({})},
                                                      {"last", timed({.sort = "-created_at"})},
                                                      {"middle", timed({.cursor = middle})},
                                                      {"branch", timed({.sort = "-created_at", .only_branch = true})}};
    for (const auto& [name, milliseconds] : times) {
        RecordProperty(name + "_ms", std::to_string(milliseconds));
        std::cout << "page " << name << ": " << milliseconds << " ms\n";
        EXPECT_LT(milliseconds, 100) << name;  // a sort of the whole session takes longer
    }
    const auto begin = std::chrono::steady_clock::now();
    const Exchange next = exchange(copy.id, "one more");
    const double milliseconds =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    std::cout << "exchange: " << milliseconds << " ms\n";
    EXPECT_LT(milliseconds, 150) << "the branch is walked only as far as an engine reads";
    EXPECT_EQ(next.user.parent_id, parent);
    EXPECT_EQ(static_cast<std::int64_t>(next.chain.size()) + next.chain_missing, 100'001);
}

}  // namespace
}  // namespace llmm::chat
