#include "features/deployments/deployment_store.hpp"

#include "base/error/error.hpp"
#include "features/models/model_store.hpp"
#include "support/databases.hpp"
#include "support/run_task.hpp"

#include <gtest/gtest.h>

namespace llmm::deployments {
namespace {

using DeploymentRows = test::OnEachDatabase;
LLMM_ON_EACH_DATABASE(DeploymentRows);

struct Rows {
    explicit Rows(storage::Dialect dialect) : database(dialect) {
        const models::ModelRef ref{.source = models::Source::demo, .repo = "tiny-chat", .revision = "1", .variant = ""};
        run((*database).write([&](storage::Session& session) {
            model = models::insert_downloading(session, ref, "Tiny", {}).id;
            model_ref = ref.str();
        }));
    }

    Deployment add(const std::string& name, int age_minutes = 0) {
        const TimePoint time = now() - std::chrono::minutes(age_minutes);
        Deployment deployment{.id = DeploymentId::generate(),
                              .model_id = *model,
                              .model_ref = model_ref,
                              .name = name,
                              .engine = "llama-server",
                              .engine_reason = "because",
                              .port = 4711,
                              .gpu_device = "0,1",
                              .config = R"({"parallel":2})",
                              .effective = {},
                              .idle_unload_seconds = 60,
                              .last_error = {},
                              .instances = {},
                              .created_at = time,
                              .updated_at = time};
        run(store.insert(deployment));
        return deployment;
    }

    template <class T>
    T run(Task<T> task) {
        return test::run_task(loop, std::move(task));
    }

    asio::io_context loop;  // outlives the threads that resume on it
    test::TestDatabase database;
    DeploymentStore store{*database};
    std::optional<ModelId> model;
    std::string model_ref;
};

TEST_P(DeploymentRows, come_back_as_they_were_written) {
    Rows rows(GetParam());
    const Deployment written = rows.add("tiny");
    Instance instance{.id = InstanceId::generate(),
                      .state = InstanceState::starting,
                      .process = {},
                      .endpoint = "unix:/a.sock",
                      .memory_bytes = {},
                      .started_at = now()};
    rows.run(rows.store.insert_instance(written.id, instance));
    instance.state = InstanceState::ready;
    instance.process = ProcessIdentity{.pid = 7, .start_ticks = 1ull << 40, .boot_id = "boot"};
    instance.memory_bytes = 1ll << 40;
    rows.run(rows.store.update_instance(instance));

    const auto read = rows.run(rows.store.find(written.id));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->name, "tiny");
    EXPECT_EQ(read->model_ref, rows.model_ref);
    EXPECT_EQ(read->engine_reason, "because");
    EXPECT_EQ(read->port, 4711);
    EXPECT_EQ(read->gpu_device, "0,1");
    EXPECT_EQ(read->config, written.config);
    EXPECT_EQ(read->effective, std::nullopt);
    EXPECT_EQ(read->idle_unload_seconds, 60);
    EXPECT_EQ(read->created_at, written.created_at);
    ASSERT_EQ(read->instances.size(), 1u);
    EXPECT_EQ(read->instances[0].id, instance.id);
    EXPECT_EQ(read->instances[0].state, InstanceState::ready);
    EXPECT_EQ(read->instances[0].process, instance.process);
    EXPECT_EQ(read->instances[0].memory_bytes, 1ll << 40);
    EXPECT_EQ(read->instances[0].started_at, instance.started_at);
    EXPECT_EQ(rows.run(rows.store.find_by_name("tiny"))->id, written.id);
    EXPECT_EQ(rows.run(rows.store.port_owner(4711)), "tiny");
    EXPECT_EQ(rows.run(rows.store.port_owner(4712)), std::nullopt);

    EXPECT_TRUE(rows.run(rows.store.remove(written.id)));
    EXPECT_FALSE(rows.run(rows.store.remove(written.id)));
    EXPECT_EQ(rows.run(rows.store.find(written.id)), std::nullopt);
}

TEST_P(DeploymentRows, what_is_wanted_and_what_is_are_written_apart) {
    Rows rows(GetParam());
    const DeploymentId id = rows.add("tiny").id;
    rows.run(
        rows.store.observe(id, {.status = Status::failed, .effective = {}, .last_error = "broke", .more_restarts = 2}));
    auto read = rows.run(rows.store.find(id));
    EXPECT_EQ(read->status, Status::failed);
    EXPECT_EQ(read->desired, Desired::stopped);
    EXPECT_EQ(read->restarts, 2);
    EXPECT_EQ(read->last_error, "broke");

    rows.run(rows.store.set_desired(id, Desired::running));
    read = rows.run(rows.store.find(id));
    EXPECT_EQ(read->status, Status::deploying);
    EXPECT_EQ(read->last_error, std::nullopt);

    rows.run(rows.store.observe(id, {.status = Status::running, .effective = R"({"parallel":2})", .last_error = {}}));
    rows.run(rows.store.set_desired(id, Desired::stopped));
    EXPECT_TRUE(rows.run(rows.store.update(id, {.name = "other", .config = {}, .idle_unload_seconds = 5})));
    read = rows.run(rows.store.find(id));
    EXPECT_EQ(read->status, Status::running);
    EXPECT_EQ(read->desired, Desired::stopped);
    EXPECT_EQ(read->effective, R"({"parallel":2})");
    EXPECT_EQ(read->name, "other");
    EXPECT_EQ(read->config, R"({"parallel":2})");
    EXPECT_EQ(read->idle_unload_seconds, 5);
    EXPECT_FALSE(
        rows.run(rows.store.update(DeploymentId::generate(), {.name = "x", .config = {}, .idle_unload_seconds = {}})));
}

TEST_P(DeploymentRows, keep_the_last_of_their_history) {
    Rows rows(GetParam());
    const Deployment deployment = rows.add("tiny");
    for (int i = 0; i < 30; ++i) {
        const auto reason = std::to_string(i);
        rows.run(rows.store.add_events(
            deployment.id, {{.kind = "failed", .reason = reason, .time = now()}, {.kind = "waiting", .time = now()}}));
    }
    const auto events = rows.run(rows.store.events(deployment.id));
    ASSERT_EQ(events.size(), 50u);
    EXPECT_EQ(events.front().reason, "5");
    EXPECT_EQ(events.back().kind, "waiting");
    EXPECT_EQ(events.back().seq, 60);
    EXPECT_TRUE(rows.run(rows.store.remove(deployment.id)));
    rows.run(rows.store.add_events(deployment.id, {{.kind = "late", .time = now()}}));
    EXPECT_TRUE(rows.run(rows.store.events(deployment.id)).empty());
}

TEST_P(DeploymentRows, names_and_models_are_checked_by_the_database) {
    Rows rows(GetParam());
    rows.add("one");
    const DeploymentId two = rows.add("two").id;
    const auto code = [](auto call) {
        try {
            call();
        } catch (const Error& error) {
            return error.code();
        }
        return ErrorCode::internal;
    };
    EXPECT_EQ(code([&] { rows.add("one"); }), ErrorCode::name_taken);
    EXPECT_EQ(code([&] { rows.run(rows.store.update(two, {.name = "one", .config = {}, .idle_unload_seconds = {}})); }),
              ErrorCode::name_taken);
    rows.model = ModelId::generate();
    EXPECT_EQ(code([&] { rows.add("three"); }), ErrorCode::model_not_found);
}

TEST_P(DeploymentRows, are_listed_in_pages) {
    Rows rows(GetParam());
    for (int i = 0; i < 5; ++i)
        rows.add(std::string(1, static_cast<char>('a' + i)), i);
    for (const std::string sort : {"created_at", "-created_at", "updated_at", "-updated_at", "name", "-name"}) {
        std::string names, cursor;
        do {
            const auto page = rows.run(rows.store.list(
                {.status = Status::stopped, .model_id = rows.model, .sort = sort, .limit = 2, .cursor = cursor}));
            for (const Deployment& deployment : page.items)
                names += deployment.name;
            cursor = page.next_cursor.value_or("");
        } while (!cursor.empty());
        // The later a letter, the older its deployment.
        const bool by_name = sort.ends_with("name");
        EXPECT_EQ(names, by_name != sort.starts_with('-') ? "abcde" : "edcba") << sort;
    }
    EXPECT_TRUE(rows.run(rows.store.list({.status = Status::running, .model_id = {}, .cursor = {}})).items.empty());
    EXPECT_EQ(rows.run(rows.store.all()).size(), 5u);
}

}  // namespace
}  // namespace llmm::deployments
