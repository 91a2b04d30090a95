#include "features/downloads/range_sink.hpp"

#include <algorithm>
#include <cstring>

namespace llmm::downloads {

using namespace std::chrono_literals;

bool RangeSink::on_head(int status, const HttpHeaders& headers) {
    status_ = status;
    verdict_ = judge(request_, status, headers);
    return verdict_ == RangeVerdict::wanted;
}

bool RangeSink::on_data(std::span<const std::byte> data) {
    if (deps_.writer.has_failed()) return false;
    const auto now = Clock::now();
    const Piece::Grant grant = piece_.take(data.size());
    const bool more_than_wanted = grant.bytes < data.size();
    data = data.first(grant.bytes);
    deps_.all_downloads.take(data.size(), now);
    deps_.this_download.take(data.size(), now);
    deps_.received_of_file.fetch_add(data.size(), std::memory_order_relaxed);
    deps_.received_of_source.fetch_add(data.size(), std::memory_order_relaxed);
    bytes_ += data.size();
    ended_ = grant.ended;
    std::uint64_t offset = grant.offset;
    while (!data.empty()) {
        if (!block_) {
            block_ = deps_.blocks.take(offset);
            block_since_ = now;
        }
        const std::size_t n = std::min(data.size(), block_.room());
        std::memcpy(block_.memory.get() + block_.size, data.data(), n);
        block_.size += n;
        offset += n;
        data = data.subspan(n);
        if (block_.room() == 0) flush();
    }
    // A slow connection must not keep its bytes to itself: what is not written is lost with the process.
    if (block_ && now - block_since_ >= 1s) flush();
    return !more_than_wanted && !(grant.ended && grant.bytes == 0);
}

std::chrono::milliseconds RangeSink::pause() {
    if (ended_) return 0ms;  // there is nothing to hold back
    if (deps_.blocks.is_full()) return 2ms;
    const auto now = Clock::now();
    return std::max(deps_.all_downloads.wait(now), deps_.this_download.wait(now));
}

void RangeSink::flush() {
    if (block_) deps_.writer.put(std::exchange(block_, {}));
}

}  // namespace llmm::downloads
