#include "base/error/error.hpp"
#include "base/log/log.hpp"
#include "features/downloads/file_transfer.hpp"
#include "features/downloads/range_response.hpp"

#include <fmt/format.h>

// What a FileTransfer does when all bytes are here and their digest is wrong. The hub gives one digest for the whole,
// so the wrong segments are found by fetching again and comparing checksums; most of a file then needs no second write,
// and the search ends as soon as the digest is right.
namespace llmm::downloads {

using namespace std::chrono_literals;

namespace {

constexpr int kMaxTries = 6;
constexpr int kMaxReplaced = 8;  // with more wrong segments than that, the file is another one

class CollectingSink final : public BodySink {
  public:
    explicit CollectingSink(RangeRequest request) : request_(request) { bytes.reserve(request.range.size()); }
    bool on_head(int status, const HttpHeaders& headers) override {
        return judge(request_, status, headers) == RangeVerdict::wanted;
    }
    bool on_data(std::span<const std::byte> data) override {
        if (data.size() > request_.range.size() - bytes.size()) return false;
        bytes.insert(bytes.end(), data.begin(), data.end());
        return true;
    }
    bool is_whole() const { return bytes.size() == request_.range.size(); }
    std::vector<std::byte> bytes;

  private:
    RangeRequest request_;
};

}  // namespace

Task<bool> FileTransfer::repair() {
    if (const std::size_t lost = co_await writer_.recheck(); lost > 0) {
        log::warning("the disk has changed segments of a file; they are fetched again",
                     {{"file", file_.path}, {"segments", static_cast<std::int64_t>(lost)}});
        co_return true;
    }
    const bool can_compare =
        file_.sha256 && file_.size && has_ranges_ && source_ && std::holds_alternative<hubs::RemoteSource>(*source_);
    int replaced = 0;
    if (can_compare) {
        for (const PartFile::Segment& segment : co_await writer_.segments()) {
            auto bytes = co_await fetch_again(segment.range);
            if (!bytes) break;
            if (Checksum::of(*bytes) == segment.checksum) continue;
            log::warning("a segment of a file was wrong", {{"file", file_.path},
                                                           {"begin", static_cast<std::int64_t>(segment.range.begin)},
                                                           {"end", static_cast<std::int64_t>(segment.range.end)}});
            const Sha256 digest = co_await writer_.replace(segment, *std::move(bytes), size());
            if (digest == *file_.sha256) co_return true;
            if (++replaced == kMaxReplaced) break;
        }
        if (replaced == 0) co_return false;  // the source gives the same bytes every time
    }
    co_await writer_.restart();
    received_ = 0;
    co_return true;
}

Task<std::optional<std::vector<std::byte>>> FileTransfer::fetch_again(ByteRange range) {
    for (int i = 0; i < kMaxTries; ++i) {
        if (i > 0) co_await sleep_for(250ms * (1 << i));
        const auto source = std::get<hubs::RemoteSource>(co_await locate());
        HttpRequest request{.url = source.url, .bearer = source.bearer};
        request.total_timeout = 0ms;
        request.max_body_bytes = range.size() + 1;
        request.headers.push_back({"Range", fmt::format("bytes={}-{}", range.begin, range.end - 1)});
        CollectingSink sink({.range = range, .size = file_.size, .may_be_200 = source.ranges_come_as_200});
        try {
            co_await deps_.http.stream(std::move(request), sink);
        } catch (const HttpError&) {
            continue;
        }
        if (sink.is_whole()) co_return std::move(sink.bytes);
        source_.reset();
    }
    co_return std::nullopt;
}

}  // namespace llmm::downloads
