#pragma once
#include "integrations/formats/problem.hpp"

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace llmm::formats {

// The beginning of a file, perhaps still growing. Blocking; one reader at a time.
class ByteSource {
  public:
    virtual ~ByteSource() = default;
    // Bytes from the start of the file that are there.
    virtual std::uint64_t available() const = 0;
    // Size of the complete file as its owner states it; nullopt when unknown.
    virtual std::optional<std::uint64_t> file_size() const = 0;
    // Fills the buffer; returns less only where the bytes end.
    virtual std::size_t read(std::uint64_t offset, std::span<std::byte> buffer) const = 0;
};

// Bytes in memory, which must outlive it.
class MemorySource final : public ByteSource {
  public:
    explicit MemorySource(std::span<const std::byte> bytes, std::optional<std::uint64_t> file_size = std::nullopt)
        : bytes_(bytes), file_size_(file_size) {}

    std::uint64_t available() const override { return bytes_.size(); }
    std::optional<std::uint64_t> file_size() const override { return file_size_; }
    std::size_t read(std::uint64_t offset, std::span<std::byte> buffer) const override;

  private:
    std::span<const std::byte> bytes_;
    std::optional<std::uint64_t> file_size_;
};

// A regular file, or the part of it from the start that has been written so far. The descriptor stays the
// caller's.
class DescriptorSource final : public ByteSource {
  public:
    DescriptorSource(int fd, std::uint64_t available, std::optional<std::uint64_t> file_size)
        : fd_(fd), available_(available), file_size_(file_size) {}
    // All of the file as it is now. Throws UNSAFE_FILE for a device, pipe or directory: reading one may never
    // end.
    static DescriptorSource whole_file(int fd);

    std::uint64_t available() const override { return available_; }
    std::optional<std::uint64_t> file_size() const override { return file_size_; }
    std::size_t read(std::uint64_t offset, std::span<std::byte> buffer) const override;

  private:
    int fd_;
    std::uint64_t available_;
    std::optional<std::uint64_t> file_size_;
};

// Reads forward through a header that nobody vouches for. After the first failure every read answers zero and
// the first problem stays, so that callers check ok() once a loop instead of after every number.
class ByteCursor {
  public:
    // Bytes at and beyond `limit` are never read: a header that needs them is refused as too large.
    ByteCursor(const ByteSource& source, std::uint64_t limit);

    bool ok() const { return !problem_; }
    const FormatProblem& problem() const { return *problem_; }
    void fail(ProblemKind kind, Text message, std::uint64_t needed_bytes = 0);

    std::uint64_t position() const { return position_; }
    std::optional<std::uint64_t> file_size() const { return file_size_; }

    // Whether the next `size` bytes can be read; fails with the reason when not.
    bool require(std::uint64_t size) {
        if (problem_) return false;
        if (size <= end_ - position_) return true;
        refuse(size);
        return false;
    }

    // A little-endian integer.
    template <std::unsigned_integral T>
    T number() {
        static_assert(std::endian::native == std::endian::little);
        T value = 0;
        if (const std::byte* bytes = peek(sizeof(T))) {
            std::memcpy(&value, bytes, sizeof(T));
            position_ += sizeof(T);
        }
        return value;
    }
    void skip(std::uint64_t size) {
        if (require(size)) position_ += size;
    }
    // The caller bounds the size first.
    std::string text(std::uint64_t size);

  private:
    void refuse(std::uint64_t size);
    const std::byte* peek(std::size_t size) {
        if (!require(size)) return nullptr;
        if (position_ < window_start_ || position_ + size > window_start_ + window_size_) {
            if (!load_window(size)) return nullptr;
        }
        return window_.data() + (position_ - window_start_);
    }
    bool load_window(std::size_t size);

    const ByteSource& source_;
    const std::uint64_t limit_;
    const std::optional<std::uint64_t> file_size_;
    const std::uint64_t end_;  // of what may be read now; position_ never passes it
    std::uint64_t position_ = 0;
    std::vector<std::byte> window_;
    std::uint64_t window_start_ = 0;
    std::size_t window_size_ = 0;
    std::optional<FormatProblem> problem_;
};

}  // namespace llmm::formats
