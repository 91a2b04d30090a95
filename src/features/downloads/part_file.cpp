#include "features/downloads/part_file.hpp"

#include "base/error/error.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace llmm::downloads {
namespace {

constexpr std::size_t kReadBytes = 256 << 10;
constexpr std::uint64_t kHashStep = 32 << 20;  // hash_some() comes back after so much

std::filesystem::path journal_path(const std::filesystem::path& part) {
    return part.string() + ".journal";
}

UniqueFd duplicate(int fd) {
    if (fd < 0) return {};
    UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!copy) throw_errno("another descriptor of a part file", errno);
    return copy;
}

template <class Take>
void read_range(int fd, ByteRange range, Take take) {
    std::vector<std::byte> buffer(std::min<std::uint64_t>(kReadBytes, range.size()));
    while (!range.empty()) {
        const auto wanted = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), range.size()));
        const std::size_t n = read_at(fd, wanted, range.begin);
        if (n == 0) throw_errno("a part file became shorter", EIO);
        take(std::span<const std::byte>(wanted).first(n));
        range.begin += n;
    }
}

}  // namespace

std::uint64_t chunk_bytes_for(std::optional<std::uint64_t> file_size) {
    constexpr std::uint64_t kMiB = 1 << 20;
    std::uint64_t chunk = 4 * kMiB;
    while (file_size && chunk < 16 * kMiB && *file_size / chunk > 1024)
        chunk *= 2;
    return chunk;
}

PartFile::PartFile(std::filesystem::path path, std::optional<std::uint64_t> size, std::string_view identity)
    : path_(std::move(path)),
      size_(size),
      chunk_(chunk_bytes_for(size)),
      fd_(open_file(path_, O_RDWR | O_CREAT)),
      journal_(journal_path(path_), identity) {
    load();
}

PartFile::~PartFile() = default;

void PartFile::load() {
    struct stat status{};
    if (::fstat(fd_.get(), &status) != 0) throw_errno("fstat of a part file", errno);
    const auto limit = std::min(static_cast<std::uint64_t>(status.st_size), size_.value_or(UINT64_MAX));
    for (const auto& [begin, segment] : journal_.contents().segments) {
        const ByteRange range{begin, segment.end};
        if (range.end > limit || have_.overlaps(range) || checksum_on_disk(range) != segment.checksum) continue;
        have_.add(range);
        segments_[begin] = {.end = range.end, .checksum = segment.checksum, .journalled = range.end};
    }
    // A midstate speaks of bytes that are still the same: their segments are intact.
    midstates_ = journal_.contents().midstates;
    std::sort(midstates_.begin(), midstates_.end(), [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
    hash_again_from(have_.run_end(0));
    if (size_ && have_.run_end(0) == *size_) digest_ = journal_.contents().digest;
}

std::uint64_t PartFile::checksum_on_disk(ByteRange range) const {
    Checksum found;
    read_range(fd_.get(), range, [&](std::span<const std::byte> data) { found.add(data); });
    return found.value();
}

bool PartFile::is_on_disk(std::uint64_t offset, std::span<const std::byte> data) const {
    bool same = true;
    read_range(fd_.get(), {offset, offset + data.size()}, [&](std::span<const std::byte> found) {
        same = same && std::ranges::equal(found, data.first(found.size()));
        data = data.subspan(found.size());
    });
    return same;
}

// Back to the last midstate that doesn't depend on bytes from there on.
void PartFile::hash_again_from(std::uint64_t offset) {
    while (!midstates_.empty() && midstates_.back().bytes > offset)
        midstates_.pop_back();
    sha_ = midstates_.empty() ? Sha256Stream() : Sha256Stream::from(midstates_.back());
    hashed_ = midstates_.empty() ? 0 : midstates_.back().bytes;
    digest_.reset();
}

void PartFile::hash(std::span<const std::byte> data) {
    while (!data.empty()) {
        const auto room = kMidstateStep - hashed_ % kMidstateStep;
        const auto piece = data.first(std::min<std::uint64_t>(room, data.size()));
        sha_.update(piece);
        hashed_ += piece.size();
        data = data.subspan(piece.size());
        if (piece.size() < room) continue;
        midstates_.push_back(sha_.midstate().value());
        journal_.add_midstate(midstates_.back());
    }
}

void PartFile::write(std::uint64_t offset, std::span<const std::byte> data) {
    while (!data.empty()) {
        const std::uint64_t known_end = have_.run_end(offset);
        const std::uint64_t end = known_end > offset ? known_end : have_.next(offset);
        const auto piece = data.first(std::min<std::uint64_t>(data.size(), end - offset));
        if (known_end == offset) {
            add(offset, piece);
        } else if (!is_on_disk(offset, piece)) {
            drop({offset, offset + piece.size()});
            add(offset, piece);
            corrected_ += piece.size();
        }
        offset += piece.size();
        data = data.subspan(piece.size());
    }
    journal_.flush();
}

void PartFile::add(std::uint64_t offset, std::span<const std::byte> data) {
    write_all(fd_.get(), data, offset);
    if (offset == hashed_) hash(data);
    not_durable_ += data.size();
    while (!data.empty()) {
        const auto piece = data.first(std::min<std::uint64_t>(data.size(), chunk_ - offset % chunk_));
        const std::uint64_t end = offset + piece.size();
        std::uint64_t begin = offset;
        if (const auto found = growing_.find(offset); found != growing_.end()) {
            begin = found->second;
            growing_.erase(found);
        }
        Grown& segment = segments_[begin];
        if (!segment.growing) segment = {.growing = Checksum(), .journalled_at = Clock::now()};
        segment.growing->add(piece);
        segment.end = end;
        have_.add({offset, end});
        if (end % chunk_ == 0 || end == size_) {
            journal(begin, segment);
            segment.growing.reset();
        } else {
            growing_[end] = begin;
            if (end - std::max(segment.journalled, begin) >= kJournalStep ||
                Clock::now() - segment.journalled_at >= kJournalTime) {
                journal(begin, segment);
            }
        }
        offset = end;
        data = data.subspan(piece.size());
    }
}

void PartFile::journal(std::uint64_t begin, Grown& segment) {
    segment.checksum = segment.growing->value();
    segment.journalled = segment.end;
    segment.journalled_at = Clock::now();
    journal_.add_segment({begin, segment.end}, segment.checksum);
}

bool PartFile::hash_some() {
    const std::uint64_t there = have_.run_end(hashed_);
    if (there == hashed_) return false;
    const std::uint64_t end = std::min(there, hashed_ + kHashStep);
    read_range(fd_.get(), {hashed_, end}, [&](std::span<const std::byte> data) { hash(data); });
    journal_.flush();
    return end < there;
}

Sha256 PartFile::finish(std::uint64_t size) {
    if (digest_) return *digest_;
    while (hash_some()) {
    }
    if (hashed_ != size) fail(ErrorCode::internal, "a part is finished too early", "文件未完整即被收尾");
    if (!size_ && ::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) throw_errno("ftruncate of a part", errno);
    Sha256Stream whole = std::exchange(sha_, Sha256Stream());
    digest_ = whole.finish();
    write_journal();
    journal_.add_digest(*digest_);
    journal_.flush();
    return *digest_;
}

void PartFile::write_journal() {
    for (const auto& [end, begin] : growing_) {
        Grown& segment = segments_.at(begin);
        if (segment.journalled != end) journal(begin, segment);
    }
    journal_.flush();
}

bool PartFile::wants_durable(Clock::time_point now) const {
    return not_durable_ >= kDurableStep || (not_durable_ > 0 && now - durable_at_ >= kDurableTime);
}

PartFile::Durable PartFile::begin_durable() {
    write_journal();
    not_durable_ = 0;
    durable_at_ = Clock::now();
    return {.data = duplicate(fd_.get()), .journal = duplicate(journal_.descriptor())};
}

void PartFile::Durable::sync() const {
    for (const int fd : {data.get(), journal.get()}) {
        if (fd >= 0 && ::fdatasync(fd) != 0) throw_errno("fdatasync of a part file", errno);
    }
}

std::size_t PartFile::recheck() {
    std::vector<ByteRange> wrong;
    for (const auto& [begin, segment] : segments_) {
        const ByteRange range{begin, segment.end};
        const std::uint64_t checksum = segment.growing ? segment.growing->value() : segment.checksum;
        if (checksum_on_disk(range) != checksum) wrong.push_back(range);
    }
    for (const ByteRange range : wrong)
        drop(range);
    return wrong.size();
}

// Takes bytes out of their segments: what stands before them there stays, what stands behind them goes, too.
void PartFile::drop(ByteRange range) {
    auto at = segments_.upper_bound(range.begin);
    if (at != segments_.begin()) --at;
    while (at != segments_.end() && at->first < range.end) {
        const ByteRange old{at->first, at->second.end};
        if (old.end <= range.begin) {
            ++at;
            continue;
        }
        at = segments_.erase(at);
        growing_.erase(old.end);
        have_.remove(ByteRange{std::max(old.begin, range.begin), old.end});
        if (old.begin >= range.begin) continue;
        const ByteRange kept{old.begin, range.begin};
        segments_[kept.begin] = {.end = kept.end, .checksum = checksum_on_disk(kept), .journalled = kept.end};
        journal_.add_segment(kept, segments_[kept.begin].checksum);
    }
    // The journal's digest and midstates that speak of these bytes are void before the bytes change.
    if (!digest_ && hashed_ <= range.begin) return;
    hash_again_from(range.begin);
    rewrite_journal();
}

void PartFile::rewrite_journal() {
    journal_.clear();
    for (auto& [begin, segment] : segments_) {
        if (segment.growing) {
            journal(begin, segment);
        } else {
            journal_.add_segment({begin, segment.end}, segment.checksum);
        }
    }
    for (const auto& midstate : midstates_)
        journal_.add_midstate(midstate);
    journal_.flush();
}

void PartFile::restart() {
    journal_.clear();
    have_ = {};
    segments_.clear();
    growing_.clear();
    midstates_.clear();
    hash_again_from(0);
}

void PartFile::remove(const std::filesystem::path& path) {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
    std::filesystem::remove(journal_path(path), ignored);
}

void PartFile::reserve(const std::filesystem::path& path, std::uint64_t size) {
    const UniqueFd fd = open_file(path, O_RDWR | O_CREAT);
    if (allocated(path) >= size || size == 0) return;
    int result;
    do {
        result = ::fallocate(fd.get(), 0, 0, static_cast<off_t>(size));
    } while (result != 0 && errno == EINTR);
    if (result == 0) return;
    if (errno != EOPNOTSUPP && errno != ENOSYS) throw_errno("reserving space for a part file", errno);
    if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) throw_errno("ftruncate of a part file", errno);
}

std::uint64_t PartFile::allocated(const std::filesystem::path& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return 0;
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

}  // namespace llmm::downloads
