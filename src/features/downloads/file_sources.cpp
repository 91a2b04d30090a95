#include "base/error/error.hpp"
#include "base/log/log.hpp"
#include "features/downloads/file_transfer.hpp"

#include <algorithm>

// Where a FileTransfer gets its bytes: what it makes of a source that fails, and which one it asks next.
namespace llmm::downloads {

using namespace std::chrono_literals;

namespace {

constexpr auto kPatience = 1h;     // without any byte, an outage is no longer waited out here
constexpr int kMaxStrikes = 6;     // answers in a row that can't be used
constexpr int kStrikesToMove = 3;  // then another source is asked, where there is one
constexpr auto kLongestPause = 30s;
// About a minute: an outage of the last good source is no reason to go back to one that sent wrong bytes.
constexpr int kStrikesToTrustASuspect = 8;

}  // namespace

void FileTransfer::note_problem(const Error& problem, bool got_bytes) {
    const auto now = Clock::now();
    if (!models::is_no_answer(problem.code())) {
        give_up(problem);
        return;
    }
    if (problem.code() == ErrorCode::hub_rate_limited) deps_.scheduler.refused(source_name_);
    if (got_bytes) return;          // goes on at once, from the next byte
    if (now < not_before_) return;  // a sibling has said so
    ++strikes_;
    const int patience = suspects_anyone() && next_good_place() == place_ ? kStrikesToTrustASuspect : kStrikesToMove;
    if (++strikes_here_ >= patience && may_move()) moves_for_ = problem;
    const int places = static_cast<int>(places_.size());
    const bool useless = problem.code() == ErrorCode::hub_bad_response && strikes_ >= kMaxStrikes * places;
    if (useless || now - last_byte_at_ > kPatience) {
        failure_ = std::make_exception_ptr(problem);
        return;
    }
    not_before_ = now + back_off(problem);
    log::debug("a transfer pauses", {{"file", file_.path}, {"error", problem.message().en}});
}

bool FileTransfer::may_move() const {
    // Without a digest nobody would notice that the other source has another content.
    if (!plan_.is_public || (!file_.sha256 && !file_.git_sha1)) return false;
    return !places_known_ || places_.size() > 1;
}

// The place has said no. That there is no such file may be true of one source alone; that this file may not be fetched,
// or can't be written, is true everywhere.
void FileTransfer::give_up(const Error& problem) {
    const bool is_of_the_place = place_ != 0 || problem.code() == ErrorCode::hub_file_not_found ||
                                 problem.code() == ErrorCode::hub_repo_not_found ||
                                 problem.code() == ErrorCode::hub_revision_not_found;
    if (!is_of_the_place || !may_move()) {
        failure_ = std::make_exception_ptr(problem);
        return;
    }
    places_[place_].is_out = true;
    moves_for_ = problem;
}

Task<> FileTransfer::move_on() {
    if (!moves_for_) co_return;
    const Error problem = *std::exchange(moves_for_, std::nullopt);
    if (may_move() && !std::exchange(places_known_, true)) {
        for (models::FilePlace& place :
             co_await deps_.hubs.other_places(plan_.pinned, file_.path, file_.sha256, file_.size))
            places_.push_back({std::move(place)});
    }
    std::size_t next = next_good_place();
    strikes_here_ = 0;
    if (next == place_) {
        // Nobody else: a suspect gets one more chance. After that only the model's own source is worth waiting for.
        const auto again =
            std::ranges::find_if(places_, [](const Place& place) { return place.is_suspect && !place.is_out; });
        if (again != places_.end() && std::ranges::none_of(places_, &Place::had_second_try)) {
            again->is_suspect = false;
            again->had_second_try = true;
            next = static_cast<std::size_t>(again - places_.begin());
        } else {
            if (!places_[place_].is_good() || places_.front().is_suspect)
                failure_ = std::make_exception_ptr(suspects_anyone() ? wrong_digest() : problem);
            co_return;
        }
    }
    if (next > place_) not_before_ = {};  // who has been asked before is given time
    place_ = next;
    source_.reset();
    ++source_generation_;
    has_ranges_ = true;
    start_over_ = start_over_ && !file_.size;
    most_connections_ = 64;
    source_name_ = places_[place_].place.name;
    log::warning("a download asks a source for the rest",
                 {{"file", file_.path}, {"source", source_name_}, {"reason", problem.message().en}});
}

// The one in use when there is no other.
std::size_t FileTransfer::next_good_place() const {
    std::size_t next = place_;
    do {
        next = (next + 1) % places_.size();
    } while (next != place_ && !places_[next].is_good());
    return next;
}

std::chrono::milliseconds FileTransfer::back_off(const Error& problem) {
    const std::chrono::milliseconds asked = std::chrono::seconds(problem.retry_after());
    const std::chrono::milliseconds own = 125ms * (1 << std::min(strikes_, 8));
    return std::max(asked, std::min<std::chrono::milliseconds>(own, kLongestPause));
}

Task<hubs::FileSource> FileTransfer::locate() {
    while (locating_)
        co_await changed_.wait();
    if (source_) {
        const auto* remote = std::get_if<hubs::RemoteSource>(&*source_);
        if (!remote || !remote->expires_at || *remote->expires_at > now() + 10s) co_return *source_;
    }
    struct Asking {
        explicit Asking(FileTransfer& t) : transfer(t) { transfer.locating_ = true; }
        ~Asking() {
            transfer.locating_ = false;
            transfer.changed_.notify();
        }
        FileTransfer& transfer;
    } const asking(*this);
    const models::FilePlace place = places_[place_].place;
    source_ = co_await place.hub->locate(place.repo, place.revision, place.path);
    ++source_generation_;
    if (const auto* remote = std::get_if<hubs::RemoteSource>(&*source_)) {
        if (remote->max_connections) most_connections_ = std::min(most_connections_, *remote->max_connections);
        has_ranges_ = has_ranges_ && remote->has_ranges;
    }
    co_return *source_;
}

void FileTransfer::forget_source(std::uint64_t generation) {
    if (generation == source_generation_) source_.reset();
}

bool FileTransfer::suspects_anyone() const {
    return std::ranges::any_of(places_, &Place::is_suspect);
}

}  // namespace llmm::downloads
