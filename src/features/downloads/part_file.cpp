#include "features/downloads/part_file.hpp"

#include "base/error/error.hpp"

#include <charconv>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace llmm::downloads {
namespace {

std::string boot_id() {
    std::string id = read_text_file("/proc/sys/kernel/random/boot_id", 64);
    while (!id.empty() && id.back() == '\n')
        id.pop_back();
    return id;
}

std::uint64_t length_of(int fd) {
    struct stat status{};
    if (::fstat(fd, &status) != 0) throw_errno("fstat of a part file", errno);
    return static_cast<std::uint64_t>(status.st_size);
}

}  // namespace

PartFile::PartFile(std::filesystem::path path) : path_(std::move(path)), journal_(path_.string() + ".journal") {
    fd_ = open_file(path_, O_RDWR | O_CREAT);
    size_ = trusted_size();
    synced_ = size_;
    if (::ftruncate(fd_.get(), static_cast<off_t>(size_)) != 0) throw_errno("ftruncate of a part file", errno);
    hash_existing();
}

PartFile::~PartFile() = default;

// The journal is one line: "<durable bytes> <boot id>".
std::uint64_t PartFile::trusted_size() const {
    const std::uint64_t length = length_of(fd_.get());
    if (length == 0 || !std::filesystem::exists(journal_)) return 0;
    const std::string line = read_text_file(journal_, 256);
    std::uint64_t durable = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), durable);
    if (error != std::errc{} || *end != ' ') return 0;
    if (line.substr(static_cast<std::size_t>(end - line.data()) + 1) == boot_id()) return length;
    return std::min(durable, length);
}

void PartFile::hash_existing() {
    std::vector<std::byte> buffer(1 << 20);
    for (std::uint64_t offset = 0; offset < size_;) {
        const auto wanted = std::min<std::uint64_t>(buffer.size(), size_ - offset);
        const std::size_t n = read_at(fd_.get(), std::span(buffer).first(wanted), offset);
        if (n == 0) throw_errno("a part file became shorter", EIO);
        digest_.update(std::span(buffer).first(n));
        offset += n;
    }
}

void PartFile::append(std::span<const std::byte> data) {
    if (size_ == 0 && synced_ == 0) write_file_durably(journal_, fmt::format("0 {}", boot_id()));
    write_all(fd_.get(), data, size_);
    digest_.update(data);
    size_ += data.size();
    if (size_ - synced_ >= kJournalStep) sync();
}

void PartFile::sync() {
    if (synced_ == size_) return;
    sync_file(fd_.get());
    write_file_durably(journal_, fmt::format("{} {}", size_, boot_id()));
    synced_ = size_;
}

void PartFile::restart() {
    if (::ftruncate(fd_.get(), 0) != 0) throw_errno("ftruncate of a part file", errno);
    size_ = synced_ = 0;
    digest_ = Sha256Stream();
}

Sha256 PartFile::finish() {
    return digest_.finish();
}

void PartFile::remove(const std::filesystem::path& path) {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
    std::filesystem::remove(path.string() + ".journal", ignored);
}

}  // namespace llmm::downloads
