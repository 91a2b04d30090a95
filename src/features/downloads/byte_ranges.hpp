#pragma once
#include <cstdint>
#include <map>
#include <optional>

namespace llmm::downloads {

struct ByteRange {
    std::uint64_t begin = 0, end = 0;  // [begin, end)
    std::uint64_t size() const { return end - begin; }
    bool empty() const { return begin >= end; }
    friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

// A set of bytes of a file, kept as ranges that neither touch nor overlap.
class ByteRanges {
  public:
    void add(ByteRange range);
    void remove(ByteRange range);
    std::uint64_t size() const { return size_; }
    bool empty() const { return ranges_.empty(); }
    // The end of the run of bytes that begins at `from`; `from` itself when that byte is missing.
    std::uint64_t run_end(std::uint64_t from) const;
    // The first byte of the set at or behind `from`; UINT64_MAX when there is none.
    std::uint64_t next(std::uint64_t from) const;
    std::optional<ByteRange> first() const;
    // Takes the first so many bytes out of the set.
    ByteRanges take(std::uint64_t bytes);
    bool overlaps(ByteRange range) const;
    void remove(const ByteRanges& others);
    // What of [0, size) is not in the set.
    ByteRanges missing(std::uint64_t size) const;
    const std::map<std::uint64_t, std::uint64_t>& map() const { return ranges_; }  // begin → end

  private:
    std::map<std::uint64_t, std::uint64_t> ranges_;
    std::uint64_t size_ = 0;
};

}  // namespace llmm::downloads
