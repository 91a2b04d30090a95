#include "features/downloads/byte_ranges.hpp"

#include <algorithm>
#include <iterator>

namespace llmm::downloads {

void ByteRanges::add(ByteRange range) {
    if (range.empty()) return;
    remove(range);
    size_ += range.size();
    auto next = ranges_.lower_bound(range.begin);
    if (next != ranges_.begin()) {
        const auto before = std::prev(next);
        if (before->second == range.begin) {
            range.begin = before->first;
            ranges_.erase(before);
        }
    }
    if (next != ranges_.end() && next->first == range.end) {
        range.end = next->second;
        next = ranges_.erase(next);
    }
    ranges_.emplace_hint(next, range.begin, range.end);
}

void ByteRanges::remove(ByteRange range) {
    if (range.empty()) return;
    auto it = ranges_.upper_bound(range.begin);
    if (it != ranges_.begin()) it = std::prev(it);
    while (it != ranges_.end() && it->first < range.end) {
        const ByteRange old{it->first, it->second};
        if (old.end <= range.begin) {
            ++it;
            continue;
        }
        it = ranges_.erase(it);
        size_ -= old.size();
        for (const ByteRange rest : {ByteRange{old.begin, range.begin}, ByteRange{range.end, old.end}}) {
            if (rest.empty()) continue;
            ranges_.emplace(rest.begin, rest.end);
            size_ += rest.size();
        }
    }
}

std::uint64_t ByteRanges::run_end(std::uint64_t from) const {
    const auto next = ranges_.upper_bound(from);
    if (next == ranges_.begin()) return from;
    return std::max(from, std::prev(next)->second);
}

std::uint64_t ByteRanges::next(std::uint64_t from) const {
    if (run_end(from) > from) return from;
    const auto found = ranges_.lower_bound(from);
    return found == ranges_.end() ? UINT64_MAX : found->first;
}

std::optional<ByteRange> ByteRanges::first() const {
    if (ranges_.empty()) return std::nullopt;
    return ByteRange{ranges_.begin()->first, ranges_.begin()->second};
}

ByteRanges ByteRanges::take(std::uint64_t bytes) {
    ByteRanges taken;
    while (bytes > 0 && !empty()) {
        ByteRange range = *first();
        range.end = range.begin + std::min(bytes, range.size());
        bytes -= range.size();
        remove(range);
        taken.add(range);
    }
    return taken;
}

void ByteRanges::remove(const ByteRanges& others) {
    for (const auto& [begin, end] : others.ranges_)
        remove({begin, end});
}

bool ByteRanges::overlaps(ByteRange range) const {
    if (range.empty()) return false;
    const auto next = ranges_.lower_bound(range.end);
    return next != ranges_.begin() && std::prev(next)->second > range.begin;
}

ByteRanges ByteRanges::missing(std::uint64_t size) const {
    ByteRanges rest;
    rest.add({0, size});
    rest.remove(*this);
    return rest;
}

}  // namespace llmm::downloads
