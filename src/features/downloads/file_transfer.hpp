#pragma once
#include "base/async/blocking_pool.hpp"
#include "base/async/signal.hpp"
#include "base/async/task.hpp"
#include "base/async/task_group.hpp"
#include "base/net/http_client.hpp"
#include "features/downloads/download.hpp"
#include "features/downloads/file_writer.hpp"
#include "features/downloads/range_planner.hpp"
#include "features/downloads/speed_limit.hpp"
#include "features/downloads/transfer_scheduler.hpp"
#include "features/models/hub_service.hpp"
#include "integrations/hub.hpp"
#include "storage/blob_store.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace llmm::downloads {

// Fetches one file by several range requests at a time and goes on where an earlier run of this program stopped. The
// scheduler says when a further request may start; the planner, which bytes it fetches; the writer takes them. When its
// source fails or sends wrong bytes, it goes on from another that has the same content.
class FileTransfer {
  public:
    using Clock = std::chrono::steady_clock;
    struct Deps {
        asio::any_io_executor executor;
        HttpClient& http;
        BlockingPool& files;
        BlockPool& blocks;
        const storage::BlobStore& blobs;
        models::HubService& hubs;
        TransferScheduler& scheduler;
        SpeedLimit& all_downloads;
        SpeedLimit& this_download;
    };
    FileTransfer(Deps deps, const Plan& plan, const PlannedFile& file, std::filesystem::path part, const int& priority);
    ~FileTransfer();

    // Ends when the file is whole and its digest right. HUB_… errors, DIGEST_MISMATCH, UNSAFE_FILE, UNSUPPORTED_FORMAT,
    // DISK_FULL. Cancelled, or with a wrong digest, it leaves the part for the next run. Outages are waited out.
    Task<> run();

    const PlannedFile& file() const { return file_; }
    const std::filesystem::path& part() const { return writer_.path(); }
    std::uint64_t received() const { return received_.load(std::memory_order_relaxed); }
    std::uint64_t fetched() const { return fetched_.load(std::memory_order_relaxed); }  // by this object
    std::optional<Sha256> digest() const { return digest_; }
    bool is_from_store() const { return is_from_store_; }  // the store's own file was read whole and is right
    FileProgress progress() const;
    bool is_waiting() const;  // for a source that can't be reached, or wants to be left alone

    // For the scheduler.
    struct Request {
        std::shared_ptr<Piece> piece;
        Clock::time_point started_at{};
        double speed = 0;  // bytes/s
        std::uint64_t measured_at_byte = 0;
    };
    const std::string& source() const { return source_name_; }
    int priority() const { return priority_; }
    int connections() const { return static_cast<int>(requests_.size()); }
    const std::list<std::shared_ptr<Request>>& requests() const { return requests_; }
    bool wants_connection(Clock::time_point now) const;
    std::uint64_t unassigned() const { return planner_ ? planner_->unassigned() : 0; }
    bool is_limited() const;
    bool start_request(std::uint64_t wanted_bytes);  // false: there is nothing that it could fetch
    void measure(Clock::time_point now);

  private:
    Task<> fetch_and_check();
    // Brings these bytes from the place in use. Those that are here already are compared, and corrected.
    Task<> fetch(ByteRanges wanted);
    Task<> fetch_ranges();
    Task<> copy_local(std::filesystem::path source, ByteRanges wanted);
    Task<bool> is_stored() const;  // the store has a file of that name and size, whatever brought it there
    Task<> request(std::shared_ptr<Request> request);
    Task<std::uint64_t> fetch_piece(Piece& piece);  // the bytes that came
    Task<bool> is_right(Sha256 digest);
    // The digest is wrong: fetches some of the bytes again that nobody else has confirmed. Throws DIGEST_MISMATCH when
    // there is nothing left to try.
    Task<> repair();
    Task<> suspect();
    Error wrong_digest() const;
    void note_giver(ByteRange range);
    ByteRanges unconfirmed() const;

    // Where the file is, asked once for all requests until the answer is no longer good.
    Task<hubs::FileSource> locate();
    void forget_source(std::uint64_t generation);
    // After note_problem() asked for it, once no request runs: goes to the next source. Leaves failure_ when there is
    // none and the problem is not one that passes.
    Task<> move_on();
    void give_up(const Error& problem);
    bool may_move() const;
    bool suspects_anyone() const;
    std::size_t next_good_place() const;
    bool is_in_one_piece() const { return !has_ranges_ || !file_.size; }
    std::uint64_t size() const { return file_.size.value_or(received()); }
    void note_problem(const Error& problem, bool got_bytes);
    std::chrono::milliseconds back_off(const Error& problem);

    Deps deps_;
    const Plan& plan_;
    const PlannedFile& file_;
    const int& priority_;
    std::string source_name_;
    FileWriter writer_;
    TaskGroup group_;
    Signal changed_;
    std::optional<RangePlanner> planner_;
    std::list<std::shared_ptr<Request>> requests_;
    std::atomic<std::uint64_t> received_ = 0, fetched_ = 0;
    FileStatus status_ = FileStatus::pending;
    std::optional<Sha256> digest_;
    double speed_ = 0;
    std::uint64_t measured_received_ = 0;
    Clock::time_point measured_at_{};

    struct Place {
        models::FilePlace place;
        bool is_out = false;      // it has said that it will not give the file
        bool is_suspect = false;  // the digest was wrong with the bytes that it gave
        bool had_second_try = false;
        ByteRanges gave;  // what is here from it
        bool is_good() const { return !is_out && !is_suspect; }
    };
    std::vector<Place> places_;  // the first is the model's own source
    std::size_t place_ = 0;      // the one in use
    bool places_known_ = false;
    std::optional<Error> moves_for_;  // the problem that makes it leave its place
    int strikes_here_ = 0;
    std::optional<hubs::FileSource> source_;
    std::uint64_t source_generation_ = 0;
    bool locating_ = false;
    bool has_ranges_ = true;
    bool start_over_ = false;
    bool is_from_store_ = false;
    int most_connections_ = 64;

    ByteRanges to_check_;  // what is here and may be wrong
    std::uint64_t check_step_ = 0;

    std::exception_ptr failure_;
    int strikes_ = 0;  // problems since the last byte
    Clock::time_point last_byte_at_ = Clock::now();
    Clock::time_point not_before_{};
};

}  // namespace llmm::downloads
