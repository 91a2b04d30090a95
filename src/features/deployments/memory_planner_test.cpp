#include "features/deployments/memory_planner.hpp"

#include "support/deployment_world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmm::deployments {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// A world whose free memory the test decides; engines are the stand-in, which takes some 10 MB whatever it is asked
// for.
class Memory : public testing::Test {
  protected:
    void free_memory(std::uint64_t bytes) {
        std::filesystem::create_directories(world.home / "proc");
        write_file_durably(world.home / "proc/meminfo", "MemTotal: 100000000 kB\nMemFree: 1 kB\nMemAvailable: " +
                                                            std::to_string(bytes / 1024) + " kB\n");
    }
    void SetUp() override {
        free_memory(100'000'000'000);
        world.end(false);
        world.kernel.proc = world.home / "proc";
        world.begin();
    }
    MemoryPlan plan(DeploymentRequest request = {}) {
        request.model_id = world.model;
        return world.run(world.service->plan(std::move(request))).memory;
    }
    // The error of a call that must fail.
    template <class F>
    Error error_of(F call) {
        try {
            call();
        } catch (const Error& error) {
            return error;
        }
        ADD_FAILURE() << "nothing was thrown";
        return Error(ErrorCode::internal, {});
    }
    Deployment running(DeploymentRequest request) {
        const auto created = world.create(std::move(request));
        world.lease(created);
        return world.until_status(created, Status::running);
    }

    test::DeploymentWorld world;
};

TEST_F(Memory, APlanShowsTheSumAndStartsNothing) {
    const MemoryPlan small = plan({.config = R"({"context_size":1024})"});
    const MemoryPlan large = plan({.config = R"({"context_size":8192,"parallel":2})"});
    EXPECT_TRUE(small.known && small.fits());
    EXPECT_EQ(small.devices, std::vector<std::string>{"cpu"});
    std::uint64_t sum = 0;
    for (const auto& term : small.estimate.terms)
        sum += term.bytes.value();
    EXPECT_EQ(small.needs.at("cpu"), sum);
    EXPECT_GT(sum, std::filesystem::file_size(LLMM_SOURCE_DIR "/share/demo/tiny-chat.q8_0.gguf"));
    // 15 times the tokens of 5 layers with 2 heads of 32 for keys and values in f16
    EXPECT_GE(large.needs.at("cpu") - sum, 15ull * 1024 * 5 * 2 * 32 * 2 * 2);
    EXPECT_THAT(world.run(world.service->list({.status = {}, .model_id = {}})).items, IsEmpty());
    EXPECT_THAT(world.engines(), IsEmpty());
}

TEST_F(Memory, AStartThatCannotFitIsRefusedWithWhatWould) {
    const std::uint64_t needed = plan({.config = R"({"context_size":4096})"}).needs.at("cpu");
    free_memory(needed + 1024);  // meminfo counts in kB
    const Error error = error_of([&] { world.create({.config = R"({"context_size":65536})"}); });
    EXPECT_EQ(error.code(), ErrorCode::insufficient_memory);
    EXPECT_THAT(error.message().en, HasSubstr("a context_size of 4096"));
    EXPECT_THAT(error.message().zh, HasSubstr("context_size"));
    EXPECT_THAT(world.run(world.service->list({.status = {}, .model_id = {}})).items, IsEmpty());

    const MemoryPlan planned = plan({.config = R"({"context_size":65536})"});
    ASSERT_THAT(planned.shortages, SizeIs(1));
    EXPECT_GT(planned.shortages[0].missing(), 0u);
    ASSERT_THAT(planned.ways_out, SizeIs(1));
    EXPECT_EQ(planned.ways_out[0].value, "4096");
    EXPECT_EQ(planned.ways_out[0].bytes, needed);

    // One that is already recorded is refused when it is started.
    const auto recorded = world.create({.config = R"({"context_size":65536})", .auto_start = false});
    EXPECT_EQ(error_of([&] { world.run(world.service->start(recorded.name)); }).code(), ErrorCode::insufficient_memory);
    EXPECT_THAT(world.engines(), IsEmpty());
}

TEST_F(Memory, WhatARunningEngineHasNotTakenYetIsNotFree) {
    free_memory(1'000'000'000);
    const auto first = running({.config = R"({"context_size":65536})"});
    ASSERT_TRUE(first.memory_estimated);
    const MemoryPlan second = plan();
    const DeviceMemory& ram = second.memory.at(0);
    EXPECT_EQ(ram.free, 1'000'000'000 / 1024 * 1024);
    // All of it but what the process holds.
    EXPECT_LT(*ram.unspoken, *ram.free - static_cast<std::uint64_t>(*first.memory_estimated) / 2);
    world.run(world.service->stop(first.name));
    world.until_status(first, Status::stopped);
    EXPECT_EQ(plan().memory.at(0).unspoken, ram.free);
}

TEST_F(Memory, AnIdleDeploymentThatAgreedMakesRoom) {
    const auto idle = running({.name = "idle", .auto_start = false});
    // Other settings than the idle one's, which is being measured meanwhile.
    const std::string config = R"({"context_size":8192})";
    free_memory(plan({.config = config}).needs.at("cpu") + 1'000'000);
    const MemoryPlan planned = plan({.config = config});
    ASSERT_THAT(planned.evictions, SizeIs(1));
    EXPECT_EQ(planned.evictions[0].name, "idle");
    EXPECT_FALSE(planned.fits());

    const auto wanted = running({.name = "wanted", .config = config});
    EXPECT_EQ(world.until_status(idle, Status::stopped).status, Status::stopped);
    EXPECT_THAT(world.engines(), SizeIs(1));
    bool told = false;
    for (const DeploymentEvent& event : world.run(world.service->events("idle")))
        told = told || (event.kind == "unloaded" && event.reason == "its memory is needed for wanted");
    EXPECT_TRUE(told);
}

TEST_F(Memory, NobodyIsEndedWhoAnswersIsPinnedOrDidNotAgree) {
    const auto pinned = running({.name = "pinned", .auto_start = false, .pinned = true});
    const auto permanent = running({.name = "permanent"});
    const auto busy = running({.name = "busy", .auto_start = false});
    const auto lease = world.lease(busy);
    const std::string config = R"({"context_size":8192})";
    free_memory(plan({.config = config}).needs.at("cpu") + 1'000'000);
    const MemoryPlan planned = plan({.config = config});
    EXPECT_FALSE(planned.fits());
    EXPECT_THAT(planned.evictions, IsEmpty());
    EXPECT_EQ(error_of([&] { world.create({.name = "wanted", .config = config}); }).code(),
              ErrorCode::insufficient_memory);
    EXPECT_THAT(world.engines(), SizeIs(3));
}

TEST_F(Memory, WhatWasMeasuredTakesThePlaceOfTheEstimate) {
    EXPECT_FALSE(plan().measured);
    const auto deployment = running({.name = "seen"});
    MemoryPlan again = plan();
    for (int i = 0; i < 300 && !again.measured; ++i) {
        world.run(sleep_for(20ms));
        again = plan();
    }
    ASSERT_TRUE(again.measured);
    EXPECT_EQ(again.needs.at("cpu"), *again.measured);
    EXPECT_FALSE(plan({.config = R"({"context_size":8192})"}).measured) << "other settings are another measurement";
}

TEST_F(Memory, TheFirstRequestStartsWhatIsOnDemand) {
    const auto created = world.create({.name = "lazy", .auto_start = false});
    EXPECT_TRUE(created.on_demand);
    EXPECT_EQ(created.status, Status::stopped);
    EXPECT_THAT(world.engines(), IsEmpty());
    world.lease(created);
    EXPECT_EQ(world.until_status(created, Status::running).status, Status::running);

    // After a restart of the manager it waits for a request again.
    world.end(false);
    world.begin();
    world.run(sleep_for(200ms));
    EXPECT_EQ(world.until_status(created, Status::stopped).status, Status::stopped);
    EXPECT_THAT(world.engines(), IsEmpty());
    world.lease(created);
    EXPECT_THAT(world.engines(), SizeIs(1));

    // Who stops it does not want the next request to start it.
    world.run(world.service->stop("lazy"));
    EXPECT_FALSE(world.now(created).on_demand);
    EXPECT_EQ(error_of([&] { world.lease(created); }).code(), ErrorCode::state_conflict);
    EXPECT_FALSE(world.now(created).on_demand);
    // Nor does one that had seen it before it was stopped.
    world.run(world.store.run_on_demand(created.id));
    EXPECT_EQ(world.now(created).desired, Desired::stopped);
}

TEST_F(Memory, WhoWaitsForALoadIsToldHowFarItIs) {
    world.script(R"({"ready_after_s": -1})");
    const auto created = world.create({.name = "slow", .auto_start = false});
    const Error error = error_of([&] { world.lease(created, 300ms); });
    EXPECT_EQ(error.code(), ErrorCode::engine_unavailable);
    EXPECT_GE(error.retry_after(), 1);
    std::map<std::string, std::int64_t> numbers;
    for (const Detail& detail : error.details())
        if (const auto* number = std::get_if<std::int64_t>(&detail.value)) numbers[detail.name] = *number;
    EXPECT_EQ(numbers["requests_waiting"], 1);
    EXPECT_GT(numbers["elapsed_ms"], 0);
    EXPECT_EQ(world.service->progress(created.id).waiting, 0u);
}

}  // namespace
}  // namespace llmm::deployments
