#pragma once
#include "base/crypto/digest.hpp"
#include "base/fs/file.hpp"
#include "features/downloads/byte_ranges.hpp"
#include "features/downloads/checksum.hpp"
#include "features/downloads/journal.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace llmm::downloads {

// A file that is still growing, at several places at once: its bytes, a checksum of each segment of them, SHA-256 of
// the run of bytes from the beginning, and a journal of all that. Blocking; one user at a time.
class PartFile {
  public:
    // A process that is killed loses at most this much of each place where the file grows (and what grew there within
    // kJournalTime).
    static constexpr std::uint64_t kJournalStep = 1 << 20;
    static constexpr std::chrono::milliseconds kJournalTime{1000};
    // A power cut takes back at most what came after the last make_durable(), which is wanted after so many bytes or so
    // long.
    static constexpr std::uint64_t kDurableStep = 64 << 20;
    static constexpr std::chrono::milliseconds kDurableTime{5000};
    static constexpr std::uint64_t kMidstateStep = 16 << 20;

    // Opens or makes the part. Of what the journal lists, only that stays whose checksum is still right. The identity
    // names the file that is fetched.
    PartFile(std::filesystem::path path, std::optional<std::uint64_t> size, std::string_view identity);
    ~PartFile();

    const ByteRanges& have() const { return have_; }
    std::uint64_t hashed() const { return hashed_; }
    int descriptor() const { return fd_.get(); }
    // Known without another look at the content: an earlier process had it whole.
    const std::optional<Sha256>& digest() const { return digest_; }

    // Bytes that are there already are compared. Where they differ the new ones stay, and what stood behind them in
    // their segment is missing again.
    void write(std::uint64_t offset, std::span<const std::byte> data);
    std::uint64_t corrected() const { return corrected_; }  // bytes that came again and were others
    // Hashes some MB of what stands behind the hashed run. True: call it again.
    bool hash_some();
    // SHA-256 of the whole, which is `size` bytes long.
    Sha256 finish(std::uint64_t size);

    // Puts the newest state of all growing segments into the journal.
    void write_journal();
    bool wants_durable(std::chrono::steady_clock::time_point now) const;
    // Notes that what is there now will be made durable, by sync() on any thread. It has descriptors of its own: the
    // journal may be written anew, or the part closed, meanwhile.
    struct Durable {
        UniqueFd data, journal;
        void sync() const;
    };
    Durable begin_durable();

    // Drops the segments whose bytes on the disk have another checksum than when they were written; answers how many.
    std::size_t recheck();
    void restart();  // from nothing

    static void remove(const std::filesystem::path& path);
    // Takes the disk space of a part that will have so many bytes; DISK_FULL. A part that has it already stays as it
    // is.
    static void reserve(const std::filesystem::path& path, std::uint64_t size);
    // Bytes of the disk that the part holds.
    static std::uint64_t allocated(const std::filesystem::path& path);

  private:
    using Clock = std::chrono::steady_clock;
    struct Grown {
        std::uint64_t end = 0;
        std::uint64_t checksum = 0;         // up to `journalled`
        std::uint64_t journalled = 0;       // end of what the journal knows
        std::optional<Checksum> growing{};  // nullopt: it will not become longer
        Clock::time_point journalled_at{};
    };

    void load();
    std::uint64_t checksum_on_disk(ByteRange range) const;
    bool is_on_disk(std::uint64_t offset, std::span<const std::byte> data) const;
    void add(std::uint64_t offset, std::span<const std::byte> data);
    void drop(ByteRange range);
    void hash(std::span<const std::byte> data);
    void hash_again_from(std::uint64_t offset);
    void journal(std::uint64_t begin, Grown& segment);
    void rewrite_journal();

    std::filesystem::path path_;
    std::optional<std::uint64_t> size_;
    std::uint64_t chunk_;  // segments end at its multiples
    UniqueFd fd_;
    Journal journal_;
    ByteRanges have_;
    std::map<std::uint64_t, Grown> segments_;         // by their first byte
    std::map<std::uint64_t, std::uint64_t> growing_;  // end → first byte
    Sha256Stream sha_;
    std::uint64_t hashed_ = 0;
    std::uint64_t corrected_ = 0;
    std::vector<Sha256Stream::Midstate> midstates_;
    std::optional<Sha256> digest_;
    std::uint64_t not_durable_ = 0;
    Clock::time_point durable_at_ = Clock::now();
};

// The unit of fetching and checking: 4 to 16 MiB.
std::uint64_t chunk_bytes_for(std::optional<std::uint64_t> file_size);

}  // namespace llmm::downloads
