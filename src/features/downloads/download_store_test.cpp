#include "features/downloads/download_store.hpp"

#include "base/error/error.hpp"
#include "features/models/model_store.hpp"
#include "features/tasks/task_store.hpp"
#include "support/databases.hpp"
#include "support/run_task.hpp"

#include <gtest/gtest.h>

namespace llmm::downloads {
namespace {

using test::run_task;

class Downloads : public test::OnEachDatabase {
  public:
    static NewDownload wish(std::string repo = "org/name") {
        Plan plan{.pinned = {.source = models::Source::huggingface,
                             .repo = std::move(repo),
                             .revision = "abc",
                             .variant = "Q8_0"},
                  .license = "mit",
                  .files = {{"m.gguf", 100, Sha256::of("m"), std::nullopt}}};
        return {.plan = std::move(plan), .name = "name", .tags = {"gguf"}};
    }
    Download start() { return run_task(store.start(wish())).download.value(); }
    Download find(const DownloadId& id) { return run_task(store.find(id)).value(); }
    models::Status model_status(const Download& download) { return run_task(models.find(download.model_id))->status; }
    tasks::State task_state(const Download& download) { return run_task(tasks.find(*download.task_id))->state; }
    template <class Call>
    ErrorCode refusal(Call call) {
        try {
            call();
        } catch (const Error& error) {
            return error.code();
        }
        return ErrorCode::internal;
    }
    void complete(const Download& download) {
        run_task(store.begin_attempt(download.id));
        run_task(store.complete(
            download, {{.model_id = download.model_id, .path = "m.gguf", .size = 100, .sha256 = Sha256::of("m")}},
            {.format = models::Format::gguf}, "models/m.gguf", 2000));
    }

    test::TestDatabase database{GetParam()};
    DownloadStore store{*database};
    models::ModelStore models{*database};
    tasks::TaskStore tasks{*database};
};
LLMM_ON_EACH_DATABASE(Downloads);

}  // namespace

TEST_P(Downloads, model_download_and_task_begin_together_and_only_once) {
    const Started first = run_task(store.start(wish()));
    ASSERT_TRUE(first.is_new);
    EXPECT_EQ(first.download->status, Status::pending);
    EXPECT_EQ(first.download->total_size, 100);
    EXPECT_EQ(first.download->plan.files.at(0).sha256, Sha256::of("m"));
    EXPECT_EQ(model_status(*first.download), models::Status::downloading);
    EXPECT_EQ(task_state(*first.download), tasks::State::queued);
    const Started again = run_task(store.start(wish()));
    EXPECT_FALSE(again.is_new);
    EXPECT_EQ(again.download->id, first.download->id);
}

TEST_P(Downloads, a_completed_one_answers_with_the_model) {
    const Download download = start();
    complete(download);
    const Started again = run_task(store.start(wish()));
    ASSERT_TRUE(again.ready);
    EXPECT_EQ(again.ready->size_bytes, 100);
    EXPECT_EQ(again.ready->file_count, 1);
    EXPECT_EQ(find(download.id).status, Status::completed);
    EXPECT_EQ(run_task(models.files(download.model_id)).at(0).sha256, Sha256::of("m"));
}

TEST_P(Downloads, actions_are_idempotent_and_impossible_ones_refused) {
    const DownloadId id = start().id;
    EXPECT_TRUE(run_task(store.pause(id)).second);
    EXPECT_FALSE(run_task(store.pause(id)).second);
    EXPECT_EQ(task_state(find(id)), tasks::State::cancelled);
    EXPECT_EQ(model_status(find(id)), models::Status::remote);
    EXPECT_EQ(refusal([&] { run_task(store.retry(id)); }), ErrorCode::state_conflict);
    EXPECT_TRUE(run_task(store.resume(id)).second);
    EXPECT_FALSE(run_task(store.resume(id)).second);
    EXPECT_EQ(task_state(find(id)), tasks::State::queued);
    EXPECT_TRUE(run_task(store.cancel(id)).second);
    EXPECT_EQ(refusal([&] { run_task(store.pause(id)); }), ErrorCode::state_conflict);
    EXPECT_EQ(refusal([&] { run_task(store.resume(id)); }), ErrorCode::state_conflict);
    EXPECT_TRUE(run_task(store.retry(id)).second);
    complete(find(id));
    for (const auto action :
         {&DownloadStore::pause, &DownloadStore::cancel, &DownloadStore::resume, &DownloadStore::retry}) {
        EXPECT_EQ(refusal([&] { run_task((store.*action)(id)); }), ErrorCode::state_conflict);
    }
}

TEST_P(Downloads, a_paused_one_is_not_begun_by_a_late_worker) {
    const DownloadId id = start().id;
    run_task(store.pause(id));
    EXPECT_FALSE(run_task(store.begin_attempt(id)));
    EXPECT_EQ(find(id).status, Status::paused);
}

TEST_P(Downloads, one_that_the_program_dies_of_rests_longer_each_time_and_fails_in_the_end) {
    const DownloadId id = start().id;
    std::vector<std::int64_t> rests;
    for (;;) {
        const auto rest = run_task(store.rest_after_deaths(id));
        EXPECT_EQ(rest, run_task(store.rest_after_deaths(id)));  // to die in it counts for nothing
        if (!run_task(store.begin_attempt(id))) break;
        rests.push_back(rest.count() / 1000);
    }
    EXPECT_EQ(rests, (std::vector<std::int64_t>{0, 0, 0, 1, 2, 4, 8, 16, 32, 60}));
    EXPECT_EQ(find(id).status, Status::failed);
}

TEST_P(Downloads, bytes_make_up_for_all_deaths) {
    const DownloadId id = start().id;
    for (int i = 0; i < 30; ++i) {
        EXPECT_TRUE(run_task(store.begin_attempt(id)));
        run_task(store.note_life(id));
        EXPECT_EQ(run_task(store.rest_after_deaths(id)).count(), 0);
    }
}

TEST_P(Downloads, after_a_restart_no_row_claims_to_be_downloading) {
    const DownloadId running = start().id;
    run_task(store.begin_attempt(running));
    run_task(store.save_progress(running, Phase::transferring, 40, 10, 6, 4000));
    const Download orphan = run_task(store.start(wish("org/other"))).download.value();
    run_task(tasks.cancel(*orphan.task_id));
    EXPECT_EQ(run_task(store.recover()), 2);
    EXPECT_EQ(find(running).status, Status::pending);
    EXPECT_EQ(find(running).download_size, 40);
    EXPECT_EQ(find(running).download_speed, std::nullopt);
    EXPECT_EQ(find(orphan.id).status, Status::failed);
    EXPECT_EQ(model_status(orphan), models::Status::remote);
}

TEST_P(Downloads, deleting_one_leaves_nothing_of_a_model_that_never_came) {
    const Download download = start();
    run_task(store.remove(download.id));
    EXPECT_FALSE(run_task(store.find(download.id)));
    EXPECT_FALSE(run_task(models.find(download.model_id)));
}

TEST_P(Downloads, a_model_in_use_is_not_deleted_and_blobs_are_freed_with_their_last_user) {
    const Download first = start();
    EXPECT_EQ(refusal([&] { run_task(models.remove(first.model_id)); }), ErrorCode::model_in_use);
    complete(first);
    const Download second = run_task(store.start(wish("org/other"))).download.value();
    complete(second);
    EXPECT_TRUE(run_task(models.remove(first.model_id)).empty());  // the other model still uses the blob
    const auto freed = run_task(models.remove(second.model_id));
    ASSERT_EQ(freed.size(), 1u);
    EXPECT_EQ(freed[0].first, Sha256::of("m"));
}

}  // namespace llmm::downloads
