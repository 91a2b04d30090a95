#pragma once
#include "features/downloads/byte_ranges.hpp"

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace llmm::downloads {

// A range that one request fetches. The network thread moves its position; the loop may cut off its tail.
class Piece {
  public:
    explicit Piece(ByteRange range) : range_(range), position_(range.begin) {}

    struct Grant {
        std::uint64_t offset = 0;
        std::size_t bytes = 0;  // of those that came; the rest is no longer wanted
        bool ended = false;     // nothing more is wanted
    };
    Grant take(std::size_t bytes);
    ByteRange rest() const;  // what has not come yet
    ByteRange range() const;
    bool is_stopped() const;
    // Hands over the second half of the rest, when each half has at least so many bytes.
    std::optional<ByteRange> split(std::uint64_t least);
    void stop();  // at the next byte that comes
    void cut();   // what has come is all there is

  private:
    mutable std::mutex mutex_;
    ByteRange range_;
    std::uint64_t position_;
    bool stopped_ = false;
};

// Which bytes of a file are fetched next: many ranges near the first missing byte rather than a few far apart, so that
// hashing follows and the beginning is there early. Pure logic.
class RangePlanner {
  public:
    RangePlanner(std::uint64_t chunk, ByteRanges wanted) : chunk_(chunk), missing_(std::move(wanted)) {}

    // A range of about that size that nobody fetches yet; null: none is left, or all that is left is too far ahead.
    std::shared_ptr<Piece> take(std::uint64_t wanted);
    // The tail of the piece that has most left, of those that are still fetched.
    std::shared_ptr<Piece> split(std::uint64_t least);
    // The piece's request has ended: what is left of it is there to be taken again.
    void give_back(const std::shared_ptr<Piece>& piece);

    bool can_take() const;
    bool is_complete() const { return missing_.empty() && pieces_.empty(); }
    std::uint64_t unassigned() const { return missing_.size(); }
    const std::list<std::shared_ptr<Piece>>& pieces() const { return pieces_; }

    static constexpr std::uint64_t kLead = 512 << 20;  // how far ahead of the first missing byte

  private:
    std::uint64_t frontier() const;

    std::uint64_t chunk_;
    ByteRanges missing_;  // without what pieces fetch
    std::list<std::shared_ptr<Piece>> pieces_;
};

}  // namespace llmm::downloads
