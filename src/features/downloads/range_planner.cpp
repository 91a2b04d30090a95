#include "features/downloads/range_planner.hpp"

#include <algorithm>

namespace llmm::downloads {

Piece::Grant Piece::take(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (stopped_) return {.offset = position_, .bytes = 0, .ended = true};
    Grant grant{.offset = position_, .bytes = std::min<std::uint64_t>(bytes, range_.end - position_)};
    position_ += grant.bytes;
    grant.ended = position_ == range_.end;
    return grant;
}

ByteRange Piece::rest() const {
    const std::lock_guard lock(mutex_);
    return {position_, range_.end};
}

ByteRange Piece::range() const {
    const std::lock_guard lock(mutex_);
    return range_;
}

bool Piece::is_stopped() const {
    const std::lock_guard lock(mutex_);
    return stopped_;
}

std::optional<ByteRange> Piece::split(std::uint64_t least) {
    constexpr std::uint64_t kStep = 64 << 10;
    const std::lock_guard lock(mutex_);
    if (stopped_ || range_.end - position_ < 2 * least) return std::nullopt;
    const std::uint64_t middle = (position_ + (range_.end - position_) / 2) / kStep * kStep;
    if (middle <= position_) return std::nullopt;
    return ByteRange{middle, std::exchange(range_.end, middle)};
}

void Piece::stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
}

void Piece::cut() {
    const std::lock_guard lock(mutex_);
    range_.end = position_;
}

std::uint64_t RangePlanner::frontier() const {
    std::uint64_t first = missing_.empty() ? UINT64_MAX : missing_.first()->begin;
    for (const auto& piece : pieces_)
        first = std::min(first, piece->rest().begin);
    return first;
}

bool RangePlanner::can_take() const {
    return !missing_.empty() && missing_.first()->begin - frontier() < kLead;
}

std::shared_ptr<Piece> RangePlanner::take(std::uint64_t wanted) {
    if (!can_take()) return nullptr;
    ByteRange range = *missing_.first();
    // Ends at a chunk's end, and doesn't leave a crumb behind.
    const std::uint64_t end = (range.begin + std::max(wanted, chunk_)) / chunk_ * chunk_;
    if (end + chunk_ / 2 < range.end) range.end = end;
    missing_.remove(range);
    return pieces_.emplace_back(std::make_shared<Piece>(range));
}

std::shared_ptr<Piece> RangePlanner::split(std::uint64_t least) {
    const auto worth = [](const auto& piece) { return piece->is_stopped() ? 0 : piece->rest().size(); };
    const auto longest = std::max_element(pieces_.begin(), pieces_.end(),
                                          [&](const auto& a, const auto& b) { return worth(a) < worth(b); });
    if (longest == pieces_.end()) return nullptr;
    const auto tail = (*longest)->split(least);
    if (!tail) return nullptr;
    return pieces_.emplace_back(std::make_shared<Piece>(*tail));
}

void RangePlanner::give_back(const std::shared_ptr<Piece>& piece) {
    pieces_.remove(piece);
    missing_.add(piece->rest());
}

}  // namespace llmm::downloads
