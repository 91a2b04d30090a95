#pragma once
#include "base/crypto/digest.hpp"
#include "base/fs/file.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace llmm::downloads {

// A file that is still growing, with the digest of what is in it and a journal of how much of it is durable. Blocking;
// one user at a time.
class PartFile {
  public:
    // Bytes that may be lost by a power cut: the journal follows the data at this distance.
    static constexpr std::uint64_t kJournalStep = 64 << 20;

    // Opens or makes the part, cuts off what the journal doesn't vouch for, and hashes the rest.
    explicit PartFile(std::filesystem::path path);
    ~PartFile();
    PartFile(PartFile&&) noexcept = default;
    PartFile& operator=(PartFile&&) noexcept = default;

    std::uint64_t size() const { return size_; }
    int descriptor() const { return fd_.get(); }
    void append(std::span<const std::byte> data);
    // Makes what is there durable and says so in the journal.
    void sync();
    // Starts again from nothing.
    void restart();
    // SHA-256 of the whole; the part can't be appended to afterwards.
    Sha256 finish();
    static void remove(const std::filesystem::path& path);

  private:
    std::uint64_t trusted_size() const;
    void hash_existing();

    std::filesystem::path path_, journal_;
    UniqueFd fd_;
    std::uint64_t size_ = 0, synced_ = 0;
    Sha256Stream digest_;
};

}  // namespace llmm::downloads
