#include "features/downloads/block_pool.hpp"

namespace llmm::downloads {

Block BlockPool::take(std::uint64_t offset) {
    taken_.fetch_add(1, std::memory_order_relaxed);
    std::unique_ptr<std::byte[]> memory;
    {
        const std::lock_guard lock(mutex_);
        if (!free_.empty()) {
            memory = std::move(free_.back());
            free_.pop_back();
        }
    }
    if (!memory) memory = std::make_unique_for_overwrite<std::byte[]>(Block::kBytes);
    return {.memory = std::move(memory), .size = 0, .offset = offset};
}

void BlockPool::give_back(Block block) {
    if (!block) return;
    taken_.fetch_sub(1, std::memory_order_relaxed);
    constexpr std::size_t kKept = 32;
    const std::lock_guard lock(mutex_);
    if (free_.size() < kKept) free_.push_back(std::move(block.memory));
}

}  // namespace llmm::downloads
