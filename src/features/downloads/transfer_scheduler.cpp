#include "features/downloads/transfer_scheduler.hpp"

#include "features/downloads/file_transfer.hpp"

#include <algorithm>
#include <set>
#include <tuple>

namespace llmm::downloads {

using namespace std::chrono_literals;

namespace {

constexpr std::chrono::milliseconds kTick{200};
constexpr double kPieceSeconds = 4;  // what a connection should fetch with one request
constexpr std::uint64_t kLargestPiece = 64 << 20;

}  // namespace

TransferScheduler::Lane& TransferScheduler::lane(const std::string& source) {
    return lanes_.try_emplace(source, most_).first->second;
}

std::atomic<std::uint64_t>& TransferScheduler::counter_of(const std::string& source) {
    return lane(source).received;
}

void TransferScheduler::add(FileTransfer& file) {
    Lane& on = lane(file.source());
    on.files.push_back(&file);
    dispatch(on);
}

void TransferScheduler::remove(FileTransfer& file) {
    Lane& on = lane(file.source());
    std::erase(on.files, &file);
    dispatch(on);
}

void TransferScheduler::released(const std::string& source) {
    Lane& on = lane(source);
    --on.active;
    dispatch(on);
}

void TransferScheduler::dispatch(const std::string& source) {
    dispatch(lane(source));
}

void TransferScheduler::refused(const std::string& source) {
    lane(source).controller.refused();
}

int TransferScheduler::connections(const std::string& source) const {
    const auto found = lanes_.find(source);
    return found == lanes_.end() ? 0 : found->second.active;
}

void TransferScheduler::dispatch(Lane& lane) {
    const auto now = Clock::now();
    std::set<const FileTransfer*> declined;
    while (lane.active < lane.controller.target()) {
        FileTransfer* next = nullptr;
        const auto rank = [](const FileTransfer& file) { return std::tuple(-file.priority(), file.connections()); };
        for (FileTransfer* file : lane.files) {
            if (declined.contains(file) || !file->wants_connection(now)) continue;
            if (!next || rank(*file) < rank(*next)) next = file;
        }
        if (!next) return;
        const double speed_each = lane.speed / std::max(1, lane.active);
        const auto piece =
            std::min<std::uint64_t>(static_cast<std::uint64_t>(speed_each * kPieceSeconds), kLargestPiece);
        // Near the end of a file all its connections should end together.
        const auto fair = next->unassigned() / static_cast<std::uint64_t>(2 * lane.controller.target());
        // Counted first: a request that fails at once is released before the call returns.
        ++lane.active;
        if (next->start_request(std::min(piece, fair))) continue;
        --lane.active;
        declined.insert(next);
    }
}

void TransferScheduler::tick() {
    const auto now = Clock::now();
    const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(now - last_tick_);
    if (time < kTick) return;
    last_tick_ = now;
    for (auto& [source, lane] : lanes_) {
        const std::uint64_t received = lane.received.load(std::memory_order_relaxed);
        const std::uint64_t bytes = received - std::exchange(lane.received_before, received);
        if (lane.files.empty()) {
            lane.speed = 0;
            continue;
        }
        const double speed = static_cast<double>(bytes) * 1000 / static_cast<double>(time.count());
        lane.speed = lane.speed == 0 ? speed : lane.speed + 0.3 * (speed - lane.speed);
        lane.controller.sample(bytes, time, lane.active);
        for (FileTransfer* file : lane.files)
            file->measure(now);
        drop_slow_requests(lane, now);
        dispatch(lane);
    }
}

// A connection that is far slower than its siblings has a bad peer or path: another one goes on at the same byte.
void TransferScheduler::drop_slow_requests(Lane& lane, Clock::time_point now) {
    constexpr double kFarSlower = 0.1;
    constexpr auto kPatience = 5s;
    std::vector<double> speeds;
    for (const FileTransfer* file : lane.files) {
        if (file->is_limited()) return;
        for (const auto& request : file->requests())
            if (now - request->started_at >= kPatience) speeds.push_back(request->speed);
    }
    if (speeds.size() < 3) return;
    const auto middle = speeds.begin() + static_cast<std::ptrdiff_t>(speeds.size() / 2);
    std::nth_element(speeds.begin(), middle, speeds.end());
    for (const FileTransfer* file : lane.files) {
        for (const auto& request : file->requests()) {
            if (now - request->started_at >= kPatience && request->speed < *middle * kFarSlower) request->piece->stop();
        }
    }
}

}  // namespace llmm::downloads
