#include "features/deployments/deployment_service.hpp"

#include "support/deployment_world.hpp"

#include <fstream>
#include <netinet/in.h>
#include <set>
#include <signal.h>
#include <sys/socket.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmm::deployments {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

template <class F>
ErrorCode code_of(F call) {
    try {
        call();
    } catch (const Error& error) {
        return error.code();
    }
    return ErrorCode::internal;
}

bool is_gone(const ProcessIdentity& process) {
    return identify_process(process.pid) != process;
}

class Deployments : public ::testing::Test {
  protected:
    test::DeploymentWorld world;
};

TEST_F(Deployments, start_serve_and_stop) {
    const auto created = world.create({.config = R"({"context_size":512,"parallel":2})"});
    EXPECT_EQ(created.name, "tiny-chat");
    EXPECT_EQ(created.engine_reason, "llama-server b11669 runs GGUF on this machine");
    EXPECT_EQ(world.lease(created).model(), "tiny-chat");

    const auto running = world.until_status(created, Status::running);
    ASSERT_THAT(running.instances, SizeIs(1));
    EXPECT_EQ(running.instances[0].state, InstanceState::ready);
    EXPECT_GT(running.instances[0].memory_bytes.value_or(0), 1 << 20);
    EXPECT_THAT(running.effective.value_or(""),
                HasSubstr(R"("context_size":1024,"context_per_slot":512,"parallel":2)"));
    EXPECT_FALSE(world.run(world.service->start(created.name)).second);

    EXPECT_TRUE(world.run(world.service->stop(created.name)).second);
    const auto stopped = world.until_status(created, Status::stopped);
    EXPECT_THAT(stopped.instances, IsEmpty());
    EXPECT_EQ(stopped.effective, std::nullopt);
    EXPECT_TRUE(is_gone(*running.instances[0].process));
    EXPECT_FALSE(world.run(world.service->stop(created.name)).second);
    EXPECT_EQ(code_of([&] { world.lease(created); }), ErrorCode::state_conflict);
}

TEST_F(Deployments, one_start_serves_everybody_who_waits) {
    world.script(R"({"ready_after_s": 0.3})");
    const auto created = world.create({.auto_start = false});
    world.run(world.service->start(created.name));
    const auto first = world.lease(created);
    const auto second = world.lease(created);
    EXPECT_THAT(world.engines(), SizeIs(1));
}

TEST_F(Deployments, whoever_waits_too_long_for_a_start_is_told) {
    world.script(R"({"ready_after_s": -1})");
    const auto created = world.create();
    EXPECT_EQ(code_of([&] { world.lease(created, 50ms); }), ErrorCode::engine_unavailable);
}

TEST_F(Deployments, a_restart_answers_all_the_time) {
    const auto created = world.create();
    world.lease(created);
    const auto before = world.until_status(created, Status::running).instances.at(0);
    world.script(R"({"ready_after_s": 0.3})");
    world.run(world.service->restart(created.name));
    world.lease(created, 50ms);
    const auto after = world.until(created, [&](const Deployment& d) {
        return d.instances.size() == 1 && d.instances[0].id != before.id && d.status == Status::running;
    });
    EXPECT_NE(after.instances.at(0).process, before.process);
    EXPECT_TRUE(is_gone(*before.process));
    EXPECT_EQ(after.restarts, 0);
}

TEST_F(Deployments, another_configuration_is_taken_without_a_gap) {
    const auto created = world.create({.config = R"({"context_size":512})"});
    auto busy = std::optional(world.lease(created));
    const auto before = world.until_status(created, Status::running).instances.at(0);
    world.run(world.service->update(created.name,
                                    {.name = {}, .config = R"({"context_size":1024})", .idle_unload_seconds = {}}));
    const auto both = world.until(
        created, [](const Deployment& d) { return d.effective.value_or("").contains(R"("context_per_slot":1024)"); });
    EXPECT_THAT(both.instances, SizeIs(2)) << "the old one still answers";
    EXPECT_FALSE(is_gone(*before.process));
    world.lease(created, 50ms);
    busy.reset();
    const auto after = world.until(created, [](const Deployment& d) { return d.instances.size() == 1; });
    EXPECT_NE(after.instances.at(0).id, before.id);
    EXPECT_EQ(after.status, Status::running);
    EXPECT_THAT(world.engines(), SizeIs(1));
}

TEST_F(Deployments, replicas_share_the_requests_and_keep_beginnings_together) {
    const auto created = world.create({.replicas = 3});
    const auto running = world.until(created, [](const Deployment& d) {
        return std::ranges::count(d.instances, InstanceState::ready, &Instance::state) == 3;
    });
    ASSERT_THAT(running.instances, SizeIs(3));
    std::vector<EngineLease> leases;
    std::set<Upstream*> used;
    for (int i = 0; i < 3; ++i)
        used.insert(&leases.emplace_back(world.lease(created)).upstream());
    EXPECT_THAT(used, SizeIs(3)) << "least busy first";
    leases.clear();
    for (const std::string prompt : {"one", "two", "three", "four"}) {
        const auto affinity = DeploymentService::affinity_of(prompt);
        used.clear();
        for (int i = 0; i < 5; ++i)
            used.insert(&world.lease(created, 1s, affinity).upstream());
        EXPECT_THAT(used, SizeIs(1)) << prompt;
    }
    const auto affinity = DeploymentService::affinity_of("one");
    used.clear();
    for (int i = 0; i < 6; ++i)
        used.insert(&leases.emplace_back(world.lease(created, 1s, affinity)).upstream());
    EXPECT_GT(used.size(), 1u) << "not at any price";
    leases.clear();

    const auto wish = [](int replicas) {
        return DeploymentChanges{.name = {}, .config = {}, .idle_unload_seconds = {}, .replicas = replicas};
    };
    world.run(world.service->update(created.name, wish(1)));
    EXPECT_THAT(world.until(created, [](const Deployment& d) { return d.instances.size() == 1; }).instances, SizeIs(1));
    world.run(world.service->update(created.name, wish(2)));
    world.until(created, [](const Deployment& d) { return d.instances.size() == 2; });
    world.end(true);
    world.begin();
    const auto adopted = world.until(created, [](const Deployment& d) {
        return std::ranges::count(d.instances, InstanceState::ready, &Instance::state) == 2;
    });
    EXPECT_THAT(adopted.instances, SizeIs(2));
    EXPECT_THAT(world.engines(), SizeIs(2));
}

TEST_F(Deployments, a_stop_waits_for_running_requests_but_not_for_ever) {
    world.end(false);
    world.settings.pace.stop_drain = 700ms;
    world.begin();
    const auto created = world.create();
    auto busy = std::optional(world.lease(created));
    world.run(world.service->stop(created.name));
    world.run(sleep_for(200ms));
    EXPECT_THAT(world.engines(), SizeIs(1));
    EXPECT_EQ(code_of([&] { world.lease(created); }), ErrorCode::state_conflict);
    EXPECT_EQ(world.until_status(created, Status::stopped).status, Status::stopped);
    EXPECT_THAT(world.engines(), IsEmpty());
}

TEST_F(Deployments, an_engine_of_older_settings_is_replaced_after_a_restart_of_the_manager) {
    const auto created = world.create({.config = R"({"context_size":512})"});
    world.lease(created);
    world.end(true);
    world.run(
        world.store.update(created.id, {.name = {}, .config = R"({"context_size":1024})", .idle_unload_seconds = {}}));
    world.begin();
    const auto after = world.until(created, [](const Deployment& d) {
        return d.instances.size() == 1 && d.effective.value_or("").contains(R"("context_per_slot":1024)");
    });
    EXPECT_THAT(after.effective.value_or(""), HasSubstr(R"("context_per_slot":1024)"));
    EXPECT_THAT(world.engines(), SizeIs(1));
}

TEST_F(Deployments, an_engine_that_exits_at_once_is_given_up_with_its_last_words) {
    world.script(R"({"exit_at_start": 1, "log": ["gguf_init: invalid magic characters"]})");
    const auto failed = world.until_status(world.create(), Status::failed);
    EXPECT_EQ(failed.restarts, 2);
    EXPECT_THAT(failed.instances, IsEmpty());
    EXPECT_THAT(failed.last_error.value_or(""), HasSubstr("exit code 1: the model's file is not a valid GGUF file\n"));
    EXPECT_THAT(failed.last_error.value_or(""), HasSubstr("invalid magic characters"));
    EXPECT_EQ(code_of([&] { world.lease(failed); }), ErrorCode::engine_failed);

    world.script("{}");
    EXPECT_TRUE(world.run(world.service->start(failed.name)).second);
    world.lease(failed);
}

TEST_F(Deployments, have_a_history_with_reasons) {
    world.script(R"({"starts": [{"exit_at_start": 1, "log": ["error: invalid argument: --frobnicate"]}, {}]})");
    const auto created = world.create();
    world.lease(created);
    world.run(world.service->stop(created.name));
    world.until_status(created, Status::stopped);
    std::vector<std::string> kinds;
    std::string why;
    for (const DeploymentEvent& event : world.run(world.service->events(created.name))) {
        kinds.push_back(event.kind);
        if (event.kind == "failed") why = event.reason;
    }
    EXPECT_THAT(kinds,
                ::testing::ElementsAre("starting", "failed", "waiting", "starting", "ready", "stopping", "stopped"));
    EXPECT_THAT(why, HasSubstr("does not know one of the options"));
}

TEST_F(Deployments, a_crash_is_followed_by_a_new_start) {
    const auto created = world.create();
    world.lease(created);
    const auto before = world.until_status(created, Status::running);
    ::kill(before.instances.at(0).process->pid, SIGSEGV);
    const auto after =
        world.until(created, [](const Deployment& d) { return d.restarts == 1 && d.status == Status::running; });
    EXPECT_EQ(after.restarts, 1);
    EXPECT_NE(after.instances.at(0).process, before.instances.at(0).process);
    EXPECT_THAT(after.last_error.value_or(""), HasSubstr("signal 11"));
}

TEST_F(Deployments, an_engine_that_crashes_again_and_again_is_given_up) {
    world.script(R"({"exit_after_s": 0.3})");
    const auto failed = world.until_status(world.create(), Status::failed);
    EXPECT_EQ(failed.status, Status::failed);
    EXPECT_EQ(failed.restarts, 4);
}

TEST_F(Deployments, an_engine_that_is_never_ready_is_ended) {
    world.end(false);
    world.settings.start_timeout = 300ms;
    world.begin();
    world.script(R"({"ready_after_s": -1})");
    const auto failed = world.until_status(world.create(), Status::failed);
    EXPECT_THAT(failed.last_error.value_or(""), HasSubstr("was not ready after"));
    EXPECT_THAT(world.engines(), IsEmpty());
}

TEST_F(Deployments, an_engine_that_hangs_is_started_again) {
    world.script(R"({"starts": [{"hang_after_s": 0.5}, {}]})");
    const auto created = world.create();
    const auto after =
        world.until(created, [](const Deployment& d) { return d.restarts == 1 && d.status == Status::running; });
    EXPECT_EQ(after.restarts, 1);
    EXPECT_THAT(after.last_error.value_or(""), HasSubstr("did not answer"));
    EXPECT_THAT(world.engines(), SizeIs(1));
}

TEST_F(Deployments, engines_are_adopted_after_a_restart_of_the_manager) {
    const auto created = world.create();
    world.lease(created);
    const auto before = world.until_status(created, Status::running);
    world.end(true);
    ASSERT_FALSE(is_gone(*before.instances.at(0).process));
    world.begin();
    world.lease(created);
    const auto after = world.until_status(created, Status::running);
    EXPECT_EQ(after.instances.at(0).process, before.instances.at(0).process);
    EXPECT_NE(after.effective, std::nullopt);

    // Adopted means owned: its end is seen.
    ::kill(before.instances.at(0).process->pid, SIGKILL);
    EXPECT_EQ(world.until(created, [](const Deployment& d) { return d.restarts == 1; }).restarts, 1);
}

TEST_F(Deployments, an_engine_whose_pid_was_not_noted_is_found_by_its_mark) {
    const auto created = world.create();
    world.lease(created);
    Instance instance = world.until_status(created, Status::running).instances.at(0);
    const ProcessIdentity process = instance.process.value();
    world.end(true);
    instance.process = std::nullopt;
    world.run(world.store.update_instance(instance));
    world.begin();
    world.lease(created);
    EXPECT_EQ(world.now(created).instances.at(0).process, process);
}

TEST_F(Deployments, what_nobody_wants_is_ended_when_the_manager_starts) {
    const auto unwanted = world.create({.name = "unwanted"});
    const auto orphan = world.create({.name = "orphan"});
    world.lease(unwanted);
    world.lease(orphan);
    ASSERT_THAT(world.engines(), SizeIs(2));
    world.end(true);
    world.run(world.store.set_desired(unwanted.id, Desired::stopped));
    ASSERT_TRUE(world.run(world.store.remove(orphan.id)));
    world.begin();
    EXPECT_THAT(world.engines(), IsEmpty());
    EXPECT_EQ(world.now(unwanted).status, Status::stopped);
    EXPECT_THAT(world.now(unwanted).instances, IsEmpty());
}

TEST_F(Deployments, rows_of_engines_that_died_meanwhile_are_removed) {
    const auto created = world.create();
    world.lease(created);
    const auto before = world.until_status(created, Status::running);
    world.end(true);
    ::kill(-before.instances.at(0).process->pid, SIGKILL);
    for (int i = 0; i < 1000 && !is_gone(*before.instances.at(0).process); ++i)
        std::this_thread::sleep_for(5ms);
    world.begin();
    world.lease(created);
    const auto after = world.until_status(created, Status::running);
    ASSERT_THAT(after.instances, SizeIs(1));
    EXPECT_NE(after.instances[0].id, before.instances[0].id);
    EXPECT_EQ(after.restarts, 0);
}

TEST_F(Deployments, a_normal_stop_ends_the_engines) {
    const auto created = world.create();
    world.lease(created);
    world.end(false);
    EXPECT_THAT(world.engines(), IsEmpty());
    EXPECT_EQ(world.run(world.store.find(created.id))->status, Status::stopped);
    EXPECT_EQ(world.run(world.store.find(created.id))->desired, Desired::running);
}

TEST_F(Deployments, a_port_that_is_taken_is_refused) {
    const UniqueFd taken(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ASSERT_EQ(::bind(taken.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    ASSERT_EQ(::listen(taken.get(), 1), 0);
    ASSERT_EQ(::getsockname(taken.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    EXPECT_EQ(code_of([&] { world.create({.port = ntohs(address.sin_port)}); }), ErrorCode::port_in_use);
}

TEST_F(Deployments, names_are_unique_and_never_look_like_an_id) {
    EXPECT_EQ(world.create({.auto_start = false}).name, "tiny-chat");
    EXPECT_EQ(world.create({.auto_start = false}).name, "tiny-chat-2");
    const auto third = world.create({.auto_start = false});
    EXPECT_EQ(third.name, "tiny-chat-3");
    EXPECT_EQ(code_of([&] { world.create({.name = "tiny-chat", .auto_start = false}); }), ErrorCode::name_taken);
    EXPECT_EQ(code_of([&] {
                  world.run(world.service->update(third.name,
                                                  {.name = "tiny-chat", .config = {}, .idle_unload_seconds = {}}));
              }),
              ErrorCode::name_taken);
    for (const std::string name : {"0199C0DE-0000-7000-8000-000000000001", "-a", "a b", "a/b", "模型"}) {
        EXPECT_EQ(code_of([&] { world.create({.name = name}); }), ErrorCode::validation_failed) << name;
    }
}

TEST_F(Deployments, what_can_not_be_deployed_is_refused) {
    EXPECT_EQ(code_of([&] { world.create({.port = 40'123, .replicas = 2}); }), ErrorCode::validation_failed);
    EXPECT_EQ(code_of([&] { world.create({.gpu_device = "0;rm"}); }), ErrorCode::validation_failed);
    EXPECT_EQ(code_of([&] { world.create({.config = R"({"port":1})"}); }), ErrorCode::validation_failed);
    EXPECT_EQ(code_of([&] { world.run(world.service->create({.ref = "huggingface:nobody/nothing"})); }),
              ErrorCode::model_not_found);
    EXPECT_EQ(code_of([&] { world.run(world.service->get("nobody")); }), ErrorCode::deployment_not_found);
    world.end(false);
    world.places.configured = "/nowhere/llama-server";
    world.begin();
    EXPECT_EQ(code_of([&] { world.create(); }), ErrorCode::engine_unavailable);
    EXPECT_NE(world.run(world.service->engines()).at(0).availability.reason, std::nullopt);
}

TEST_F(Deployments, deleting_ends_the_engine_first) {
    const auto created = world.create();
    world.lease(created);
    EXPECT_EQ(world.run(world.service->remove(created.name)), created.id);
    EXPECT_THAT(world.engines(), IsEmpty());
    EXPECT_EQ(code_of([&] { world.now(created); }), ErrorCode::deployment_not_found);
    EXPECT_EQ(code_of([&] { world.lease(created); }), ErrorCode::deployment_not_found);
}

TEST_F(Deployments, an_idle_engine_is_unloaded_and_comes_back_with_the_next_request) {
    const auto created = world.create({.idle_unload_seconds = 1});
    {
        const auto busy = world.lease(created);
        world.run(sleep_for(1500ms));
        EXPECT_EQ(world.now(created).status, Status::running);
    }
    const auto unloaded = world.until_status(created, Status::stopped);
    EXPECT_EQ(unloaded.desired, Desired::running);
    EXPECT_THAT(world.engines(), IsEmpty());
    world.lease(created);
}

}  // namespace
}  // namespace llmm::deployments
