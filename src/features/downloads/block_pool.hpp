#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace llmm::downloads {

// Bytes on their way from a connection to the disk.
struct Block {
    static constexpr std::size_t kBytes = 256 << 10;

    std::unique_ptr<std::byte[]> memory;
    std::size_t size = 0;      // bytes in use
    std::uint64_t offset = 0;  // of the first of them in the file

    std::span<const std::byte> data() const { return {memory.get(), size}; }
    std::size_t room() const { return memory ? kBytes - size : 0; }
    explicit operator bool() const { return memory != nullptr; }
};

// The memory of all downloads together. It has a bound that connections heed by pausing: a disk that is slower than
// the network slows the network down. For any thread.
class BlockPool {
  public:
    static constexpr std::size_t kMaxBlocks = 128;  // 32 MiB wait for the disk at most, beside one block a connection

    Block take(std::uint64_t offset);
    void give_back(Block block);
    bool is_full() const { return taken_.load(std::memory_order_relaxed) >= kMaxBlocks; }

  private:
    std::mutex mutex_;
    std::vector<std::unique_ptr<std::byte[]>> free_;  // warm memory is worth keeping: new pages cost more than a copy
    std::atomic<std::size_t> taken_ = 0;
};

}  // namespace llmm::downloads
