#include "integrations/formats/byte_source.hpp"

#include "base/fs/file.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <sys/stat.h>

namespace llmm::formats {
namespace {

constexpr std::size_t kWindowBytes = 64 * 1024;

std::uint64_t readable_end(const ByteSource& source, std::uint64_t limit) {
    return std::min({source.available(), source.file_size().value_or(limit), limit});
}

}  // namespace

std::string for_message(std::string_view name) {
    constexpr std::size_t kShown = 64;
    std::string shown(name.substr(0, kShown));
    for (char& c : shown) {
        if (c < 0x20 || c > 0x7e || c == '"') c = '?';
    }
    if (name.size() > kShown) shown += "...";
    return shown;
}

std::size_t MemorySource::read(std::uint64_t offset, std::span<std::byte> buffer) const {
    if (offset >= bytes_.size()) return 0;
    const std::size_t size = std::min<std::uint64_t>(buffer.size(), bytes_.size() - offset);
    std::memcpy(buffer.data(), bytes_.data() + offset, size);
    return size;
}

DescriptorSource DescriptorSource::whole_file(int fd) {
    struct stat status{};
    if (::fstat(fd, &status) != 0) throw_errno("fstat", errno);
    if (!S_ISREG(status.st_mode)) {
        throw Error(ErrorCode::unsafe_file, Text{"a model must be a regular file", "模型必须是普通文件"});
    }
    const auto size = static_cast<std::uint64_t>(status.st_size);
    return {fd, size, size};
}

std::size_t DescriptorSource::read(std::uint64_t offset, std::span<std::byte> buffer) const {
    if (offset >= available_) return 0;
    return read_at(fd_, buffer.first(std::min<std::uint64_t>(buffer.size(), available_ - offset)), offset);
}

ByteCursor::ByteCursor(const ByteSource& source, std::uint64_t limit)
    : source_(source), limit_(limit), file_size_(source.file_size()), end_(readable_end(source, limit)) {}

void ByteCursor::fail(ProblemKind kind, Text message, std::uint64_t needed_bytes) {
    if (!problem_) problem_ = FormatProblem{kind, std::move(message), needed_bytes};
}

void ByteCursor::refuse(std::uint64_t size) {
    std::uint64_t needed = 0;
    if (__builtin_add_overflow(position_, size, &needed)) needed = std::numeric_limits<std::uint64_t>::max();
    if (file_size_ && needed > *file_size_) {
        fail(ProblemKind::truncated,
             Text::format("the file has {} bytes, its header alone needs more", "文件只有 {} 字节，连文件头都不完整",
                          *file_size_),
             needed);
    } else if (needed > limit_) {
        fail(ProblemKind::unsupported,
             Text::format("the header is larger than {} bytes", "文件头超过 {} 字节", limit_));
    } else {
        fail(
            ProblemKind::incomplete,
            Text::format("the header is not complete yet: {} bytes are needed", "文件头尚未完整：需要 {} 字节", needed),
            needed);
    }
}

bool ByteCursor::load_window(std::size_t size) {
    const std::uint64_t want = std::min<std::uint64_t>(std::max(kWindowBytes, size), end_ - position_);
    window_.resize(std::max<std::size_t>(window_.size(), want));
    window_start_ = position_;
    window_size_ = source_.read(position_, std::span(window_).first(want));
    if (window_size_ >= size) return true;
    fail(ProblemKind::truncated, Text{"the file became shorter while it was read", "读取过程中文件变短了"},
         position_ + size);
    return false;
}

std::string ByteCursor::text(std::uint64_t size) {
    const std::byte* bytes = peek(size);
    if (!bytes) return {};
    position_ += size;
    return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace llmm::formats
