#include "features/tasks/task_store.hpp"

#include "base/error/error.hpp"
#include "support/databases.hpp"
#include "support/run_task.hpp"

#include <set>

#include <gtest/gtest.h>

namespace llmm::tasks {
namespace {

using namespace std::chrono_literals;
using test::run_task;

class Tasks : public test::OnEachDatabase {
  public:
    TaskId add(NewTask task) {
        return run_task(database->write([task](storage::Session& session) { return enqueue(session, task, now()); }));
    }
    std::optional<QueuedTask> claim(std::chrono::milliseconds lease = 15s) {
        return run_task(store.claim({"work"}, "me", lease));
    }
    QueuedTask find(const TaskId& id) { return run_task(store.find(id)).value(); }

    test::TestDatabase database{GetParam()};
    TaskStore store{*database};
};
LLMM_ON_EACH_DATABASE(Tasks);

}  // namespace

TEST_P(Tasks, are_claimed_by_priority_then_age_and_by_one_worker_only) {
    const TaskId low = add({.kind = "work", .subject = "a", .priority = -1}),
                 first = add({.kind = "work", .subject = "b"}),
                 urgent = add({.kind = "work", .subject = "c", .priority = 5});
    add({.kind = "other", .subject = "d", .priority = 100});
    for (const TaskId& expected : {urgent, first, low}) {
        const auto task = claim();
        ASSERT_TRUE(task);
        EXPECT_EQ(task->id, expected);
        EXPECT_EQ(task->attempts, 1);
    }
    EXPECT_FALSE(claim());
}

TEST_P(Tasks, a_unique_key_is_held_only_while_a_task_lives) {
    const TaskId first = add({.kind = "work", .subject = "a", .unique_key = "k"});
    try {
        add({.kind = "work", .subject = "a", .unique_key = "k"});
        FAIL() << "the second one was taken";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::state_conflict);
    }
    const auto task = claim();
    ASSERT_TRUE(run_task(store.finish({first, task->fence}, State::succeeded, std::nullopt, std::nullopt)));
    EXPECT_NO_THROW(add({.kind = "work", .subject = "a", .unique_key = "k"}));
}

TEST_P(Tasks, a_write_with_an_old_fence_is_refused) {
    const TaskId id = add({.kind = "work", .subject = "a"});
    const auto lost = claim(-1ms);  // its lease is over at once
    ASSERT_EQ(run_task(store.recover({})), 1);
    const auto again = claim();
    ASSERT_TRUE(again);
    EXPECT_GT(again->fence, lost->fence);
    EXPECT_FALSE(run_task(store.finish({id, lost->fence}, State::succeeded, std::nullopt, std::nullopt)));
    EXPECT_EQ(run_task(store.refresh({id, lost->fence}, 15s, 0.5)), Refresh::lost);
    EXPECT_EQ(find(id).state, State::running);
    EXPECT_TRUE(run_task(store.finish({id, again->fence}, State::succeeded, std::nullopt, std::nullopt)));
}

TEST_P(Tasks, are_dead_after_three_lost_leases) {
    const TaskId id = add({.kind = "work", .subject = "a"});
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(claim(-1ms)) << i;
        ASSERT_EQ(run_task(store.recover({})), 1);
    }
    EXPECT_EQ(find(id).state, State::dead);
    EXPECT_FALSE(claim());
}

TEST_P(Tasks, of_a_worker_that_ended_come_back_before_their_lease_is_over) {
    add({.kind = "work", .subject = "a"});
    ASSERT_TRUE(claim());
    EXPECT_EQ(run_task(store.recover({})), 0);
    EXPECT_EQ(run_task(store.recover({"me"})), 1);
    EXPECT_TRUE(claim());
}

TEST_P(Tasks, cancel_reaches_queued_and_running_ones) {
    const TaskId queued = add({.kind = "work", .subject = "a"});
    run_task(store.cancel(queued));
    EXPECT_EQ(find(queued).state, State::cancelled);
    const TaskId running = add({.kind = "work", .subject = "b"});
    const auto task = claim();
    run_task(store.cancel(running));
    EXPECT_EQ(run_task(store.refresh({running, task->fence}, 15s, std::nullopt)), Refresh::cancel);
    run_task(store.finish({running, task->fence}, State::cancelled, std::nullopt, std::nullopt));
    run_task(store.retry(running));
    EXPECT_EQ(find(running).state, State::queued);
}

TEST_P(Tasks, are_listed_in_pages_that_neither_miss_nor_repeat) {
    std::set<std::string> expected, seen;
    for (int i = 0; i < 7; ++i)
        expected.insert(add({.kind = "work", .subject = "a"}).str());
    std::string cursor;
    do {
        const auto page = run_task(store.list({.state = State::queued, .limit = 3, .cursor = cursor}));
        for (const QueuedTask& task : page.items)
            EXPECT_TRUE(seen.insert(task.id.str()).second);
        cursor = page.next_cursor.value_or("");
    } while (!cursor.empty());
    EXPECT_EQ(seen, expected);
}

}  // namespace llmm::tasks
