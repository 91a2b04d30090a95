#include "base/error/error.hpp"
#include "base/log/log.hpp"
#include "features/downloads/file_transfer.hpp"

#include <algorithm>

// What a FileTransfer does when all bytes are here and their digest is wrong. There is one digest for the whole, so the
// wrong bytes are found by fetching again what one source gave from another one, in growing steps, until the digest is
// right. The writer compares, and writes only what differs.
namespace llmm::downloads {

namespace {

constexpr std::uint64_t kFirstStep = 32 << 20;

}  // namespace

Task<> FileTransfer::repair() {
    if (to_check_.empty()) {
        if (const std::size_t lost = co_await writer_.recheck(); lost > 0) {
            log::warning("the disk has changed segments of a file; they are fetched again",
                         {{"file", file_.path}, {"segments", static_cast<std::int64_t>(lost)}});
            co_return;
        }
        co_await suspect();
    }
    const ByteRanges step = to_check_.take(is_in_one_piece() ? UINT64_MAX : check_step_);
    check_step_ *= 2;
    received_ = size() - step.size();
    const std::uint64_t before = writer_.corrected();
    co_await fetch(step);
    co_await writer_.have();
    if (const std::uint64_t corrected = writer_.corrected() - before; corrected > 0) {
        log::warning(
            "bytes of a file were wrong",
            {{"file", file_.path}, {"bytes", static_cast<std::int64_t>(corrected)}, {"right_ones_from", source_name_}});
    }
}

// Chooses what is fetched again: what no source in use has given, and failing that, what one of them gave. That one is
// no longer used, as long as there is another.
Task<> FileTransfer::suspect() {
    check_step_ = kFirstStep;
    to_check_ = unconfirmed();
    if (!to_check_.empty()) {
        log::warning("a file in the store is damaged", {{"file", file_.path}});
        co_return;
    }
    // A mirror rather than the model's own source; first of all, who has been suspected before.
    std::size_t who = place_;
    for (std::size_t i = 0; i < places_.size(); ++i) {
        const Place& place = places_[i];
        if (place.is_good() && !place.gave.empty() && !places_[who].had_second_try) who = i;
    }
    places_[who].is_suspect = true;
    to_check_ = unconfirmed();
    log::warning("a file has a wrong digest", {{"file", file_.path}, {"source", places_[who].place.name}});
    moves_for_ = wrong_digest();
    co_await move_on();
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

Error FileTransfer::wrong_digest() const {
    return Error(ErrorCode::digest_mismatch,
                 Text::format("\"{}\" has not the digest that it should have, also when it is fetched again",
                              "“{}”的摘要与预期不符，重新下载后仍然如此", file_.path));
}

void FileTransfer::note_giver(ByteRange range) {
    for (Place& place : places_)
        place.gave.remove(range);
    places_[place_].gave.add(range);
}

ByteRanges FileTransfer::unconfirmed() const {
    ByteRanges rest = ByteRanges().missing(size());
    for (const Place& place : places_)
        if (!place.is_suspect) rest.remove(place.gave);
    return rest;
}

}  // namespace llmm::downloads
