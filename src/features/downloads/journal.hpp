#pragma once
#include "base/crypto/digest.hpp"
#include "base/fs/file.hpp"
#include "features/downloads/byte_ranges.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace llmm::downloads {

// What a journal says about its part file. Nothing of it is believed before the data was checked against it.
struct JournalContents {
    struct Segment {
        std::uint64_t end = 0;
        std::uint64_t checksum = 0;  // of the segment's bytes
    };
    std::map<std::uint64_t, Segment> segments;      // by their first byte; the newest record of each
    std::vector<Sha256Stream::Midstate> midstates;  // as they were written
    std::optional<Sha256> digest;                   // of the whole file, once it was known
};

// The records of a journal, or nullopt when it isn't the journal of that file. Records that are torn or damaged are
// left out: each carries a checksum of its own.
std::optional<JournalContents> parse_journal(std::span<const std::byte> bytes, std::uint64_t identity);

// The journal beside a part file: records are appended after the data that they speak of, and the newest word about a
// segment counts. Made with the first record. Blocking, one user at a time.
class Journal {
  public:
    // The identity names the file that is fetched; a journal of another one is as good as none.
    Journal(std::filesystem::path path, std::string_view identity);

    const JournalContents& contents() const { return contents_; }  // when it was opened
    void add_segment(ByteRange range, std::uint64_t checksum);
    void add_midstate(const Sha256Stream::Midstate& midstate);
    void add_digest(const Sha256& digest);
    // Hands the records to the kernel: they survive the end of this process, not yet a power cut.
    void flush();
    int descriptor() const { return fd_.get(); }  // -1 before the first flush
    // Starts anew; what was added and not flushed is forgotten, too.
    void clear();

  private:
    void append(std::uint32_t kind, std::span<const std::byte> payload);

    std::filesystem::path path_;
    std::uint64_t identity_;
    UniqueFd fd_;
    std::uint64_t end_ = 0;  // of the file
    std::vector<std::byte> pending_;
    JournalContents contents_;
};

}  // namespace llmm::downloads
