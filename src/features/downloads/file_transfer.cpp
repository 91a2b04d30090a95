#include "features/downloads/file_transfer.hpp"

#include "base/async/signal.hpp"
#include "base/error/error.hpp"
#include "base/log/log.hpp"
#include "features/downloads/part_file.hpp"
#include "integrations/formats/file_type.hpp"

#include <charconv>
#include <fcntl.h>

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

namespace llmm::downloads {

using namespace std::chrono_literals;

namespace {

constexpr int kMaxTries = 6;                          // without a new byte in between
constexpr std::uint64_t kMaxUnsizedBytes = 64 << 20;  // a file whose size the hub keeps to itself is no model file

// "bytes 100-199/200"
struct ContentRange {
    std::uint64_t first = 0, total = 0;
};
std::optional<ContentRange> parse_content_range(std::string_view text) {
    constexpr std::string_view kUnit = "bytes ";
    if (!text.starts_with(kUnit)) return std::nullopt;
    text.remove_prefix(kUnit.size());
    const auto dash = text.find('-'), slash = text.find('/');
    if (dash == std::string_view::npos || slash == std::string_view::npos) return std::nullopt;
    ContentRange range;
    const auto read = [](std::string_view digits, std::uint64_t& value) {
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        return error == std::errc{} && end == digits.data() + digits.size();
    };
    if (!read(text.substr(0, dash), range.first) || !read(text.substr(slash + 1), range.total)) return std::nullopt;
    return range;
}

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

}  // namespace

// Lives on the network thread while a response comes in; the coroutine looks at it only before and after.
class FileTransfer::Sink final : public BodySink {
  public:
    Sink(const PlannedFile& file, PartFile part, std::atomic<std::uint64_t>& received)
        : file_(file), part_(std::move(part)), received_(received) {
        received_ = part_.size();
    }

    bool on_head(int status, const HttpHeaders& headers) override {
        status_ = status;
        if (status == 200) {
            if (part_.size() > 0) part_.restart();  // the server ignores ranges: from the beginning, then
            received_ = 0;
            return accept_length(find_header(headers, "Content-Length"));
        }
        if (status != 206) return false;
        const auto range = parse_content_range(find_header(headers, "Content-Range").value_or(""));
        if (!range || range->first != part_.size() || (file_.size && range->total != *file_.size)) {
            return refuse(ErrorCode::hub_bad_response,
                          Text::format("the server sent another part of \"{}\" than was asked for",
                                       "服务器返回了“{}”的错误片段", file_.path));
        }
        return true;
    }

    bool on_data(std::span<const std::byte> data) override {
        try {
            const std::uint64_t limit = file_.size.value_or(kMaxUnsizedBytes);
            if (data.size() > limit - part_.size()) {
                return refuse(ErrorCode::hub_bad_response,
                              Text::format("the server sends more of \"{}\" than the hub lists",
                                           "“{}”的数据超过模型站列出的大小", file_.path));
            }
            part_.append(data);
            received_ = part_.size();
            return check_beginning();
        } catch (const Error&) {
            failure_ = std::current_exception();
            return false;
        }
    }

    // Also for a file so short that the beginning is all of it.
    bool check_beginning(bool whole = false) {
        if (beginning_checked_ || (part_.size() < formats::kSniffBytes && !whole)) return true;
        beginning_checked_ = true;
        std::array<std::byte, formats::kSniffBytes> bytes;
        const std::size_t n = read_at(part_.descriptor(), bytes, 0);
        const auto problem = formats::check_first_bytes(file_.path, std::span(bytes).first(n));
        return problem ? refuse(problem->code, problem->message) : true;
    }

    PartFile& part() { return part_; }
    int status() const { return status_; }
    std::exception_ptr failure() const { return failure_; }
    void reset() {
        status_ = 0;
        failure_ = nullptr;
    }

  private:
    bool accept_length(std::optional<std::string_view> length) {
        if (!length || !file_.size || fmt::format("{}", *file_.size) == *length) return true;
        return refuse(ErrorCode::hub_bad_response,
                      Text::format("\"{}\" has {} bytes on the server, {} in the hub's list",
                                   "“{}”在服务器上为 {} 字节，模型站列表为 {} 字节", file_.path, *length, *file_.size));
    }
    bool refuse(ErrorCode code, Text message) {
        failure_ = std::make_exception_ptr(Error(code, std::move(message)));
        return false;
    }

    const PlannedFile& file_;
    PartFile part_;
    std::atomic<std::uint64_t>& received_;
    int status_ = 0;
    bool beginning_checked_ = false;
    std::exception_ptr failure_;
};

FileTransfer::FileTransfer(Deps deps, models::ModelRef pinned, PlannedFile file, std::filesystem::path part,
                           std::uint64_t max_bytes_per_second)
    : deps_(deps),
      pinned_(std::move(pinned)),
      file_(std::move(file)),
      part_(std::move(part)),
      max_bytes_per_second_(max_bytes_per_second) {}

FileTransfer::~FileTransfer() = default;

Task<Sha256> FileTransfer::run() {
    status_ = FileStatus::downloading;
    std::exception_ptr failure;
    try {
        for (bool again = false;; again = true) {
            sink_ =
                co_await deps_.files.run([this] { return std::make_unique<Sink>(file_, PartFile(part_), received_); });
            co_await fetch_all();
            const Sha256 digest = co_await check_digest();
            const bool right = !file_.sha256 || digest == *file_.sha256;
            if (right && co_await matches_git_sha1()) {
                digest_ = digest;
                status_ = FileStatus::verified;
                break;
            }
            sink_.reset();
            PartFile::remove(part_);
            received_ = 0;
            if (again) {
                fail(ErrorCode::digest_mismatch, "\"{}\" arrived twice with a digest other than the hub's",
                     "“{}”两次下载的摘要均与模型站不符", file_.path);
            }
            log::warning("a file arrived with a wrong digest and is fetched again", {{"file", file_.path}});
        }
    } catch (const Error& error) {
        status_ = FileStatus::failed;
        // Bytes of the wrong kind are no beginning for another try.
        const bool useless = error.code() == ErrorCode::unsafe_file || error.code() == ErrorCode::unsupported_format;
        sink_.reset();
        if (useless) PartFile::remove(part_);
        throw;
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        // Cancelled: what has arrived is made durable, which cancellation must not skip.
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        status_ = FileStatus::pending;
        if (sink_) co_await deps_.files.run([this] { sink_->part().sync(); });
        sink_.reset();
        std::rethrow_exception(failure);
    }
    sink_.reset();
    co_return *digest_;
}

Task<> FileTransfer::fetch_all() {
    int tries = 0;
    for (;;) {
        const std::uint64_t before = received();
        std::optional<Error> problem;
        int delay_seconds = 0;
        try {
            co_await fetch_once();
            if (file_.size ? received() == *file_.size : sink_->status() == 200) co_return;
            problem = Error(ErrorCode::hub_unreachable, Text::format("\"{}\" ended early", "“{}”提前结束", file_.path));
        } catch (const Error& error) {
            const bool passing =
                error.code() == ErrorCode::hub_unreachable || error.code() == ErrorCode::hub_rate_limited;
            if (!passing) throw;
            problem = error;
            delay_seconds = error.retry_after();
        }
        tries = received() > before ? 1 : tries + 1;
        if (tries >= kMaxTries) throw Error(*std::move(problem));
        co_await sleep_for(
            std::max<std::chrono::milliseconds>(std::chrono::seconds(delay_seconds), 250ms * (1 << tries)));
    }
}

Task<> FileTransfer::fetch_once() {
    sink_->reset();
    if (file_.size && received() == *file_.size) co_return;
    const hubs::FileSource source = co_await deps_.hub.locate(pinned_.repo, pinned_.revision, file_.path);
    if (const auto* local = std::get_if<hubs::LocalSource>(&source)) {
        co_await copy_local(local->path);
    } else {
        co_await fetch_remote(std::get<hubs::RemoteSource>(source));
    }
}

Task<> FileTransfer::fetch_remote(const hubs::RemoteSource& source) {
    HttpRequest request{.url = source.url, .bearer = source.bearer};
    request.total_timeout = 0ms;
    request.max_body_bytes = file_.size.value_or(kMaxUnsizedBytes) + 1;
    request.max_bytes_per_second = max_bytes_per_second_;
    // Always a range, for the CDN refuses a whole big file. A file whose size nobody knows is fetched in one piece.
    if (file_.size && *file_.size > 0) request.headers.push_back({"Range", fmt::format("bytes={}-", received())});
    if (!file_.size && sink_->part().size() > 0) {
        sink_->part().restart();
        received_ = 0;
    }
    std::optional<Error> broken;
    HttpResponse response;
    try {
        response = co_await deps_.http.stream(std::move(request), *sink_);
    } catch (const HttpError& error) {
        broken = unreachable(error, source.url);
    }
    if (sink_->failure()) std::rethrow_exception(sink_->failure());
    if (broken) throw Error(*std::move(broken));
    const int status = sink_->status();
    if (status == 200 || status == 206) co_return;
    const auto retry_after = find_header(response.headers, "Retry-After");
    int seconds = 0;
    if (retry_after) std::from_chars(retry_after->data(), retry_after->data() + retry_after->size(), seconds);
    if (status == 429) {
        throw Error(ErrorCode::hub_rate_limited, Text::format("{} asks us to wait", "{} 要求稍候", source.url.host()))
            .with_retry_after(std::max(seconds, 1));
    }
    if (status == 404)
        fail(ErrorCode::hub_file_not_found, "the hub has no file \"{}\"", "模型站没有文件“{}”", file_.path);
    // 403: the signed URL has expired, and locate() gives a new one. 5xx: the server's trouble passes.
    throw Error(ErrorCode::hub_unreachable, Text::format("{0} answered {1} for \"{2}\"", "{0} 对“{2}”返回 {1}",
                                                         source.url.host(), status, file_.path));
}

Task<> FileTransfer::copy_local(std::filesystem::path source) {
    co_await deps_.files.run([this, &source] {
        const UniqueFd from = open_file(source, O_RDONLY);
        std::vector<std::byte> buffer(1 << 20);
        for (;;) {
            const std::size_t n = read_at(from.get(), buffer, received());
            if (n == 0) return;
            if (!sink_->on_data(std::span(buffer).first(n))) return;
        }
    });
    if (sink_->failure()) std::rethrow_exception(sink_->failure());
}

Task<Sha256> FileTransfer::check_digest() {
    co_return co_await deps_.files.run([this] {
        if (!sink_->check_beginning(true)) std::rethrow_exception(sink_->failure());
        return sink_->part().finish();
    });
}

// Small files outside LFS have git's own digest and no other.
Task<bool> FileTransfer::matches_git_sha1() {
    if (file_.sha256 || !file_.git_sha1) co_return true;
    co_return co_await deps_.files.run([this] {
        std::vector<std::byte> content(received());
        const std::size_t n = read_at(sink_->part().descriptor(), content, 0);
        return git_blob_sha1(std::span(content).first(n)) == *file_.git_sha1;
    });
}

}  // namespace llmm::downloads
