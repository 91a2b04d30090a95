#include "features/deployments/memory_plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace llmm::deployments {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

constexpr std::uint64_t kGB = 1'000'000'000;

Reservation running(std::string name, std::uint64_t bytes, std::chrono::milliseconds idle,
                    std::chrono::milliseconds load) {
    return {.instance = InstanceId::generate(),
            .deployment = DeploymentId::generate(),
            .name = std::move(name),
            .bytes = {{"cpu", bytes}},
            .taken = {{"cpu", bytes}},
            .may_go = true,
            .idle = idle,
            .load = load};
}

std::vector<std::string> names(const std::vector<Eviction>& evictions) {
    std::vector<std::string> all;
    for (const Eviction& eviction : evictions)
        all.push_back(eviction.name);
    return all;
}

TEST(MemoryPlan, WhatIsReservedAndNotTakenIsNotFree) {
    Reservation starting = running("starting", 4 * kGB, 0ms, 0ms);
    starting.taken = {{"cpu", 1 * kGB}};
    Reservation grown = running("grown", 2 * kGB, 0ms, 0ms);
    grown.taken = {{"cpu", 3 * kGB}};  // more than it was let in with: nothing is owed to it
    Reservation elsewhere = running("gpu", 0, 0ms, 0ms);
    elsewhere.bytes = {{"GPU-1", 5 * kGB}};
    elsewhere.taken = {};
    const Reservation others[] = {starting, grown, elsewhere};
    EXPECT_EQ(unspoken_memory(10 * kGB, "cpu", others), 7 * kGB);
    EXPECT_EQ(unspoken_memory(10 * kGB, "GPU-1", others), 5 * kGB);
    EXPECT_EQ(unspoken_memory(2 * kGB, "cpu", others), 0u);
}

TEST(MemoryPlan, OnlyWhatIsKnownIsRefused) {
    const DeviceMemory memory[] = {
        {.device = "cpu", .name = "RAM", .total = 8 * kGB, .free = 4 * kGB, .unspoken = 3 * kGB},
        {.device = "GPU-silent", .name = "?", .total = {}, .free = {}, .unspoken = {}}};
    EXPECT_TRUE(shortages({{"cpu", 2 * kGB}}, memory, kGB).empty());
    const auto found = shortages({{"cpu", 2 * kGB + 1}, {"GPU-silent", 99 * kGB}, {"GPU-gone", 1}}, memory, kGB);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].device, "cpu");
    EXPECT_EQ(found[0].free, 2 * kGB);
    EXPECT_EQ(found[0].missing(), 1u);
}

TEST(Evictions, TakeTheLongestIdleForItsLoadTimeFirst) {
    // Scores 10, 100 and 1: the quickly loaded goes before the one that was idle for longer.
    const Reservation others[] = {running("slow", 3 * kGB, 1000s, 100s), running("quick", 2 * kGB, 200s, 2s),
                                  running("fresh", 8 * kGB, 5s, 5s)};
    const Shortage one[] = {{"cpu", 12 * kGB, 11 * kGB}};
    EXPECT_EQ(names(choose_evictions(one, others)), (std::vector<std::string>{"quick"}));
    const Shortage more[] = {{"cpu", 12 * kGB, 8 * kGB}};
    EXPECT_EQ(names(choose_evictions(more, others)), (std::vector<std::string>{"quick", "slow"}));
}

TEST(Evictions, NeverTakeWhoAnswersOrIsPinned) {
    Reservation busy = running("busy", 8 * kGB, 1000s, 1s);
    busy.may_go = false;
    // A second instance of the same deployment is idle: it stays with the first.
    Reservation sibling = running("busy", 8 * kGB, 1000s, 1s);
    sibling.deployment = busy.deployment;
    const Reservation others[] = {busy, sibling};
    const Shortage missing[] = {{"cpu", 2 * kGB, kGB}};
    EXPECT_TRUE(choose_evictions(missing, others).empty());
}

TEST(Evictions, AreNoneWhenAllOfThemWouldNotDo) {
    const Reservation others[] = {running("small", kGB, 1000s, 1s)};
    const Shortage missing[] = {{"cpu", 5 * kGB, kGB}};
    EXPECT_TRUE(choose_evictions(missing, others).empty());
    const Shortage elsewhere[] = {{"GPU-1", 5 * kGB, 4 * kGB}};
    EXPECT_TRUE(choose_evictions(elsewhere, others).empty());
}

TEST(Evictions, OfADeploymentCountItsInstancesTogether) {
    Reservation first = running("pair", kGB, 100s, 1s), second = running("pair", kGB, 50s, 1s);
    second.deployment = first.deployment;
    const Reservation others[] = {first, second};
    const Shortage missing[] = {{"cpu", 3 * kGB, kGB}};
    const auto chosen = choose_evictions(missing, others);
    ASSERT_EQ(chosen.size(), 1u);
    EXPECT_EQ(chosen[0].bytes.at("cpu"), 2 * kGB);
    EXPECT_EQ(chosen[0].score, 50);
}

TEST(InsufficientMemory, TellsTheSumAndTheWaysOut) {
    MemoryPlan plan;
    plan.shortages = {{"cpu", 5 * kGB, 2 * kGB}};
    plan.estimate.terms = {{"weights", engines::Place::host, 4 * kGB, {"w", "w"}},
                           {"kv_cache", engines::Place::host, kGB, {"k", "k"}},
                           {"weights", engines::Place::gpu, 9 * kGB, {"w", "w"}}};
    plan.ways_out = {{"context_size", "2048", 2 * kGB, {"context_size 2048", "context_size 2048"}},
                     {"stop", "other", 4 * kGB, {"stop other", "停止 other"}}};
    const Error error = insufficient_memory("big", plan);
    EXPECT_EQ(error.code(), ErrorCode::insufficient_memory);
    EXPECT_EQ(error.message().en,
              "big needs 5.00 GB of RAM, 2.00 GB are free. It would fit: context_size 2048; stop other");
    EXPECT_THAT(error.message().zh, HasSubstr("停止 other"));
    std::map<std::string, std::int64_t> numbers;
    for (const Detail& detail : error.details())
        if (const auto* number = std::get_if<std::int64_t>(&detail.value)) numbers[detail.name] = *number;
    EXPECT_EQ(
        numbers,
        (std::map<std::string, std::int64_t>{
            {"needed_bytes", 5 * kGB}, {"free_bytes", 2 * kGB}, {"term.weights", 4 * kGB}, {"term.kv_cache", kGB}}));
}

}  // namespace
}  // namespace llmm::deployments
