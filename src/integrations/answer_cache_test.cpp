#include "integrations/answer_cache.hpp"

#include "support/run_task.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <gtest/gtest.h>

namespace llmm::hubs {
namespace {

using std::chrono::milliseconds;

// Answers with how often it was asked, slowly or with an error when told so.
struct Source {
    int asked = 0;
    milliseconds takes{0};
    bool fails = false;

    Task<int> answer() {
        const int number = ++asked;
        if (takes.count() > 0) co_await sleep_for(takes);
        if (fails) throw Error(ErrorCode::hub_unreachable, {"no", "不"});
        co_return number;
    }
};

struct Fixture : testing::Test {
    asio::io_context loop;
    Source source;

    int get(AnswerCache<int>& cache, const std::string& key) {
        return test::run_task(loop, cache.get(key, [this] { return source.answer(); }));
    }
    // Starts a question; the outcome is the answer, or -1 for an Error, or -2 for anything else.
    void start(AnswerCache<int>& cache, int& outcome, asio::cancellation_slot slot = {}) {
        asio::co_spawn(loop, cache.get("key", [this] { return source.answer(); }),
                       asio::bind_cancellation_slot(slot, [&outcome](std::exception_ptr error, int value) {
                           outcome = value;
                           if (!error) return;
                           try {
                               std::rethrow_exception(error);
                           } catch (const Error&) {
                               outcome = -1;
                           } catch (...) {
                               outcome = -2;
                           }
                       }));
    }
};
using HuggingFaceCache = Fixture;

}  // namespace

TEST_F(HuggingFaceCache, answers_again_from_memory_until_the_answer_is_too_old) {
    AnswerCache<int> cache(8, milliseconds(50));
    EXPECT_EQ(get(cache, "a"), 1);
    EXPECT_EQ(get(cache, "a"), 1);
    EXPECT_EQ(get(cache, "b"), 2);
    std::this_thread::sleep_for(milliseconds(60));
    EXPECT_EQ(get(cache, "a"), 3);
}

TEST_F(HuggingFaceCache, keeps_nothing_with_a_lifetime_of_zero) {
    AnswerCache<int> cache(8, milliseconds(0));
    EXPECT_EQ(get(cache, "a"), 1);
    EXPECT_EQ(get(cache, "a"), 2);
}

TEST_F(HuggingFaceCache, forgets_the_oldest_when_it_is_full) {
    AnswerCache<int> cache(2, std::chrono::hours(1));
    get(cache, "a");
    std::this_thread::sleep_for(milliseconds(1));
    get(cache, "b");
    get(cache, "c");
    EXPECT_EQ(get(cache, "b"), 2);
    EXPECT_EQ(get(cache, "c"), 3);
    EXPECT_EQ(get(cache, "a"), 4);
}

TEST_F(HuggingFaceCache, does_not_keep_errors) {
    AnswerCache<int> cache(8, std::chrono::hours(1));
    source.fails = true;
    EXPECT_THROW(get(cache, "a"), Error);
    source.fails = false;
    EXPECT_EQ(get(cache, "a"), 2);
}

TEST_F(HuggingFaceCache, asks_once_for_many_who_ask_at_the_same_time) {
    AnswerCache<int> cache(8, milliseconds(0));
    source.takes = milliseconds(5);
    int first = 0, second = 0;
    start(cache, first);
    start(cache, second);
    loop.run();
    EXPECT_EQ(first, 1);
    EXPECT_EQ(second, 1);
    EXPECT_EQ(source.asked, 1);
}

TEST_F(HuggingFaceCache, tells_an_error_to_all_who_waited_for_it) {
    AnswerCache<int> cache(8, std::chrono::hours(1));
    source.takes = milliseconds(5);
    source.fails = true;
    int first = 0, second = 0;
    start(cache, first);
    start(cache, second);
    loop.run();
    EXPECT_EQ(first, -1);
    EXPECT_EQ(second, -1);
    EXPECT_EQ(source.asked, 1);
}

TEST_F(HuggingFaceCache, asks_again_for_the_others_when_the_one_on_the_way_is_cancelled) {
    AnswerCache<int> cache(8, std::chrono::hours(1));
    source.takes = milliseconds(20);
    asio::cancellation_signal cancel;
    int first = 0, second = 0;
    start(cache, first, cancel.slot());
    start(cache, second);
    asio::post(loop, [&] { cancel.emit(asio::cancellation_type::terminal); });
    loop.run();
    EXPECT_EQ(first, -2);
    EXPECT_EQ(second, 2);
}

}  // namespace llmm::hubs
