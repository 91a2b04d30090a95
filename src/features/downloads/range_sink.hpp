#pragma once
#include "base/net/http_client.hpp"
#include "features/downloads/block_pool.hpp"
#include "features/downloads/file_writer.hpp"
#include "features/downloads/range_planner.hpp"
#include "features/downloads/range_response.hpp"
#include "features/downloads/speed_limit.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace llmm::downloads {

// Takes the response to one range request: judges its head, and hands the bytes in blocks to the writer. Lives on the
// network thread while the response comes in; the coroutine looks at it only before and after.
class RangeSink final : public BodySink {
  public:
    struct Deps {
        FileWriter& writer;
        BlockPool& blocks;
        SpeedLimit& all_downloads;
        SpeedLimit& this_download;
        std::atomic<std::uint64_t>& received_of_file;
        std::atomic<std::uint64_t>& received_of_source;
    };
    RangeSink(Deps deps, Piece& piece, RangeRequest request) : deps_(deps), piece_(piece), request_(request) {}

    bool on_head(int status, const HttpHeaders& headers) override;
    bool on_data(std::span<const std::byte> data) override;
    std::chrono::milliseconds pause() override;

    // After the transfer, however it ended: what is left goes to the writer, too.
    void flush();

    int status() const { return status_; }  // 0: no response came
    std::optional<RangeVerdict> verdict() const { return verdict_; }
    std::uint64_t bytes() const { return bytes_; }

  private:
    using Clock = std::chrono::steady_clock;

    Deps deps_;
    Piece& piece_;
    RangeRequest request_;
    int status_ = 0;
    std::optional<RangeVerdict> verdict_;
    std::uint64_t bytes_ = 0;
    bool ended_ = false;
    Block block_;
    Clock::time_point block_since_{};
};

}  // namespace llmm::downloads
