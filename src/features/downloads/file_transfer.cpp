#include "features/downloads/file_transfer.hpp"

#include "base/error/error.hpp"
#include "base/log/log.hpp"
#include "features/downloads/range_sink.hpp"

#include <algorithm>
#include <charconv>
#include <fcntl.h>

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

namespace llmm::downloads {

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kMaxUnsizedBytes = 64 << 20;  // a file whose size the hub keeps to itself is no model file
constexpr std::uint64_t kLeastSplit = 1 << 20;        // smaller tails aren't worth a connection
constexpr auto kStall = 12s;                          // no byte for so long: another connection
constexpr int kMaxBegins = 6;                         // of a file that comes in one piece only

Error unreachable(const HttpError& error, const Url& url) {
    if (error.failure() == HttpFailure::blocked_address) {
        return Error(ErrorCode::url_forbidden, Text::format("the hub sends us to {}, where nothing may be fetched from",
                                                            "模型站指向了禁止访问的地址 {}", url.host()));
    }
    return Error(ErrorCode::hub_unreachable,
                 Text::format("the transfer from {} broke off; it goes on by itself when the host can be reached",
                              "与 {} 的传输中断，恢复连接后会自动继续", url.host()))
        .with_log_note(error.what());
}

int seconds_of(std::optional<std::string_view> text) {
    int seconds = 0;
    if (text) std::from_chars(text->data(), text->data() + text->size(), seconds);
    return std::clamp(seconds, 0, 3600);
}

}  // namespace

FileTransfer::FileTransfer(Deps deps, const Plan& plan, const PlannedFile& file, std::filesystem::path part,
                           const int& priority)
    : deps_(deps),
      plan_(plan),
      file_(file),
      priority_(priority),
      source_name_(models::name_of(plan.pinned.source)),
      writer_(deps.files, deps.blocks, file_, std::move(part)),
      group_(deps.executor),
      changed_(deps.executor) {
    places_.push_back({{.hub = &deps_.hubs.hub(plan.pinned.source),
                        .repo = plan.pinned.repo,
                        .revision = plan.pinned.revision,
                        .path = file.path,
                        .name = source_name_}});
}

FileTransfer::~FileTransfer() = default;

FileProgress FileTransfer::progress() const {
    FileProgress progress{.received = received(),
                          .status = status_,
                          .sha256 = digest_,
                          .verified = status_ == FileStatus::verified ? received() : writer_.hashed(),
                          .connections = connections()};
    if (status_ == FileStatus::downloading && speed_ >= 1) {
        progress.speed = static_cast<std::int64_t>(speed_);
        const auto left = file_.size.value_or(progress.received) - progress.received;
        if (file_.size) progress.eta_seconds = static_cast<std::int64_t>(static_cast<double>(left) / speed_);
    }
    return progress;
}

bool FileTransfer::is_waiting() const {
    return status_ == FileStatus::downloading && requests_.empty() && Clock::now() + 500ms < not_before_;
}

bool FileTransfer::is_limited() const {
    return deps_.all_downloads.get() > 0 || deps_.this_download.get() > 0;
}

Task<> FileTransfer::run() {
    status_ = FileStatus::downloading;
    std::exception_ptr failure;
    try {
        co_await fetch_and_check();
        co_await writer_.close();
        status_ = FileStatus::verified;
        co_return;
    } catch (...) {
        failure = std::current_exception();
    }
    // Also when cancelled: requests end, and what has arrived is written down.
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await group_.stop();
    deps_.scheduler.remove(*this);
    co_await writer_.close();
    try {
        std::rethrow_exception(failure);
    } catch (const Error& error) {
        status_ = FileStatus::failed;
        // Bytes of the wrong kind are no beginning for another try; of those with a wrong digest most may be right.
        if (error.code() == ErrorCode::unsafe_file || error.code() == ErrorCode::unsupported_format)
            PartFile::remove(part());
        throw;
    } catch (...) {
        status_ = FileStatus::pending;
        throw;
    }
}

Task<> FileTransfer::fetch_and_check() {
    const std::uint64_t end = file_.size.value_or(kMaxUnsizedBytes);
    ByteRanges have = co_await writer_.open();
    places_.front().gave = have;  // most likely
    if (co_await is_stored()) {
        received_ = have.size();
        is_from_store_ = have.empty();
        co_await copy_local(deps_.blobs.path_of(*file_.sha256), have.missing(end));
    }
    for (;;) {
        have = co_await writer_.have();
        received_ = have.size();
        co_await fetch(have.missing(end));
        const Sha256 digest = co_await writer_.finish(size());
        if (co_await is_right(digest)) {
            digest_ = digest;
            co_return;
        }
        is_from_store_ = false;
        co_await repair();
    }
}

Task<bool> FileTransfer::is_right(Sha256 digest) {
    if (file_.sha256) co_return digest == *file_.sha256;
    // Small files outside LFS have git's own digest and no other.
    if (file_.git_sha1) co_return co_await writer_.matches_git_sha1(*file_.git_sha1, size());
    co_return true;
}

Task<> FileTransfer::fetch(ByteRanges wanted) {
    if (wanted.empty()) co_return;
    planner_.emplace(chunk_bytes_for(file_.size), wanted);
    for (;;) {
        std::optional<Error> problem;
        try {
            const hubs::FileSource where = co_await locate();
            if (const auto* local = std::get_if<hubs::LocalSource>(&where)) {
                co_await copy_local(local->path, wanted);
                for (const auto& [begin, end] : wanted.map())
                    note_giver({begin, end});
                co_return;
            }
            break;
        } catch (const Error& error) {
            problem = error;
        }
        note_problem(*problem, false);
        co_await move_on();
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
        co_await sleep_for(std::chrono::duration_cast<std::chrono::milliseconds>(not_before_ - Clock::now()));
    }
    co_await fetch_ranges();
}

Task<> FileTransfer::fetch_ranges() {
    for (int begun = 1;; ++begun) {
        if (is_in_one_piece()) {
            // From the beginning. Of a file whose size is known, what is here stays and is compared.
            if (!file_.size) co_await writer_.restart();
            received_ = 0;
            planner_.emplace(chunk_bytes_for(file_.size), ByteRanges().missing(file_.size.value_or(kMaxUnsizedBytes)));
        }
        start_over_ = false;
        deps_.scheduler.add(*this);
        while (!planner_->is_complete() && !failure_ && !writer_.has_failed() && !start_over_ && !moves_for_)
            co_await changed_.wait();
        group_.cancel();
        co_await group_.wait();
        deps_.scheduler.remove(*this);
        if (const auto broken = writer_.failure()) std::rethrow_exception(broken);
        const bool moved = moves_for_ && !planner_->is_complete();
        if (moved) co_await move_on();
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
        if (planner_->is_complete()) co_return;
        if (moved && !start_over_) --begun;
        if (begun > kMaxBegins) {
            fail(ErrorCode::hub_unreachable,
                 "\"{}\" can only be fetched in one piece, and the connection broke each time",
                 "“{}”只能一次性下载，而连接每次都中断", file_.path);
        }
    }
}

bool FileTransfer::wants_connection(Clock::time_point now) const {
    if (!planner_ || failure_ || moves_for_ || now < not_before_ || connections() >= most_connections_) return false;
    if (is_in_one_piece()) return requests_.empty() && !start_over_ && planner_->can_take();
    if (planner_->can_take()) return true;
    // Nothing is left to hand out: the longest tail is worth sharing when it takes more than a moment.
    return std::any_of(requests_.begin(), requests_.end(), [](const auto& request) {
        const auto rest = request->piece->rest().size();
        return rest >= 2 * kLeastSplit && request->speed > 0 && static_cast<double>(rest) > request->speed;
    });
}

bool FileTransfer::start_request(std::uint64_t wanted_bytes) {
    std::shared_ptr<Piece> piece = planner_->take(is_in_one_piece() ? UINT64_MAX / 2 : wanted_bytes);
    if (!piece) piece = planner_->split(kLeastSplit);
    if (!piece) return false;
    auto started = std::make_shared<Request>();
    started->piece = std::move(piece);
    started->started_at = Clock::now();
    started->measured_at_byte = started->piece->range().begin;
    requests_.push_back(started);
    group_.spawn("range request", request(std::move(started)));
    return true;
}

void FileTransfer::measure(Clock::time_point now) {
    const double seconds = std::chrono::duration<double>(now - measured_at_).count();
    measured_at_ = now;
    if (seconds <= 0 || seconds > 10) return;
    const auto follow = [seconds](double& speed, std::uint64_t& before, std::uint64_t after, double smoothing) {
        const double current = after > before ? static_cast<double>(after - before) / seconds : 0;
        before = after;
        speed = speed == 0 ? current : speed + smoothing * (current - speed);
    };
    follow(speed_, measured_received_, received(), 0.2);
    for (const auto& request : requests_) {
        follow(request->speed, request->measured_at_byte, request->piece->rest().begin, 0.3);
    }
}

Task<> FileTransfer::request(std::shared_ptr<Request> request) {
    std::exception_ptr cancelled;
    std::optional<Error> problem;
    std::uint64_t bytes = 0;
    const std::uint64_t begin = request->piece->range().begin;
    try {
        bytes = co_await fetch_piece(*request->piece);
    } catch (const Error& error) {
        problem = error;
        bytes = request->piece->rest().begin - begin;
    } catch (...) {
        cancelled = std::current_exception();
    }
    requests_.remove(request);
    note_giver({begin, request->piece->rest().begin});
    planner_->give_back(request->piece);
    fetched_ += bytes;
    if (bytes > 0) {
        last_byte_at_ = Clock::now();
        strikes_ = strikes_here_ = 0;
    }
    if (problem) note_problem(*problem, bytes > 0);
    if (is_in_one_piece() && !planner_->is_complete()) start_over_ = true;  // it can't be gone on with
    deps_.scheduler.released(source_name_);
    changed_.notify();
    if (cancelled) std::rethrow_exception(cancelled);
}

Task<std::uint64_t> FileTransfer::fetch_piece(Piece& piece) {
    const auto source = std::get<hubs::RemoteSource>(co_await locate());
    const std::uint64_t generation = source_generation_;
    const ByteRange range = piece.rest();
    const bool whole = is_in_one_piece();
    HttpRequest request{.url = source.url, .bearer = source.bearer};
    request.total_timeout = 0ms;
    request.stall_timeout = kStall;
    request.max_body_bytes = range.size() + 1;
    const std::uint64_t limit = std::max(deps_.all_downloads.get(), deps_.this_download.get());
    request.buffer_bytes = buffer_bytes_for(limit);
    // Always a range, for CDNs refuse a whole big file. A file whose size nobody knows is fetched in one piece.
    if (!whole) request.headers.push_back({"Range", fmt::format("bytes={}-{}", range.begin, range.end - 1)});
    RangeSink sink({writer_, deps_.blocks, deps_.all_downloads, deps_.this_download, received_,
                    deps_.scheduler.counter_of(source_name_)},
                   piece,
                   {.range = range, .size = file_.size, .is_ranged = !whole, .may_be_200 = source.ranges_come_as_200});
    std::exception_ptr cancelled;
    std::optional<Error> broken;
    HttpResponse response;
    try {
        response = co_await deps_.http.stream(std::move(request), sink);
    } catch (const HttpError& error) {
        broken = unreachable(error, source.url);
    } catch (...) {
        cancelled = std::current_exception();
    }
    sink.flush();
    if (cancelled) std::rethrow_exception(cancelled);
    if (!sink.verdict()) {
        if (broken) throw Error(*std::move(broken));
        throw Error(ErrorCode::hub_unreachable, Text::format("{} did not answer", "{} 没有响应", source.url.host()));
    }
    const auto answered = [&](ErrorCode code) {
        return Error(code, Text::format("{0} answered {1} for \"{2}\"", "{0} 对“{2}”返回 {1}", source.url.host(),
                                        sink.status(), file_.path));
    };
    switch (*sink.verdict()) {
        case RangeVerdict::wanted:
            if (!file_.size && !broken) piece.cut();
            if (broken) throw Error(*std::move(broken));
            if (sink.bytes() == 0 && !piece.rest().empty()) throw answered(ErrorCode::hub_unreachable);
            co_return sink.bytes();
        case RangeVerdict::other_bytes:
            throw Error(ErrorCode::hub_bad_response,
                        Text::format("the server sent another part of \"{}\" than was asked for",
                                     "服务器返回了“{}”的错误片段", file_.path));
        case RangeVerdict::no_ranges:
            has_ranges_ = false;
            throw Error(ErrorCode::hub_bad_response, Text::format("the server has no parts of \"{}\" to give",
                                                                  "服务器不支持分段下载“{}”", file_.path));
        case RangeVerdict::expired:
            // The address has expired, or the server wants fewer connections: both can be tried.
            forget_source(generation);
            if (strikes_ > 0) most_connections_ = 1;
            throw answered(ErrorCode::hub_bad_response);
        case RangeVerdict::not_found:
            fail(ErrorCode::hub_file_not_found, "the hub has no file \"{}\"", "模型站没有文件“{}”", file_.path);
        case RangeVerdict::rate_limited:
            throw Error(ErrorCode::hub_rate_limited,
                        Text::format("{} asks us to wait", "{} 要求稍候", source.url.host()))
                .with_retry_after(std::max(1, seconds_of(find_header(response.headers, "Retry-After"))));
        case RangeVerdict::server_failed:
            throw answered(sink.status() >= 500 ? ErrorCode::hub_unreachable : ErrorCode::hub_bad_response)
                .with_retry_after(seconds_of(find_header(response.headers, "Retry-After")));
    }
    throw answered(ErrorCode::hub_unreachable);
}

Task<bool> FileTransfer::is_stored() const {
    if (!file_.sha256 || !file_.size) co_return false;
    co_return co_await deps_.files.run([this] { return deps_.blobs.exists(*file_.sha256, *file_.size); });
}

Task<> FileTransfer::copy_local(std::filesystem::path source, ByteRanges wanted) {
    const UniqueFd from = co_await deps_.files.run([&source] { return open_file(source, O_RDONLY); });
    for (const auto& [begin, end] : wanted.map()) {
        for (std::uint64_t offset = begin; offset < end;) {
            while (deps_.blocks.is_full())
                co_await sleep_for(2ms);
            Block block = deps_.blocks.take(offset);
            block.size = co_await deps_.files.run([&] {
                const auto wanted = std::min<std::uint64_t>(Block::kBytes, end - offset);
                return read_at(from.get(), {block.memory.get(), wanted}, offset);
            });
            const std::size_t n = block.size;
            writer_.put(std::move(block));
            if (writer_.has_failed()) std::rethrow_exception(writer_.failure());
            received_ += n;
            offset += n;
            if (n == 0) break;
        }
    }
}

}  // namespace llmm::downloads
